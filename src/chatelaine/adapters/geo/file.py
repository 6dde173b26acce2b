"""The operator's own files of networks: MaxMind's format, or a plain list of CIDR blocks."""

import os
import struct
from io import BytesIO
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import Final, Protocol

import maxminddb

from chatelaine.model.error import TableError
from chatelaine.model.exchange import NetworkClass

_MMDB_MARK: Final = b"\xab\xcd\xefMaxMind.com"
_MMDB_MARK_WITHIN: Final = 128 * 1024
"""Where from its end the mark of a MaxMind-format file must stand (format 2.0, "Database Metadata")."""

_NONE: Final = NetworkClass.NONE
_CLASSES: Final = {
    "is_hosting_provider": NetworkClass.HOSTING,
    "is_anonymous_vpn": NetworkClass.VPN,
    "is_tor_exit_node": NetworkClass.TOR,
    "is_public_proxy": NetworkClass.PROXY,
    "is_residential_proxy": NetworkClass.PROXY,
    "hosting": NetworkClass.HOSTING,
    "vpn": NetworkClass.VPN,
    "tor": NetworkClass.TOR,
    "proxy": NetworkClass.PROXY,
}
_WORDS: Final = {
    "hosting": NetworkClass.HOSTING,
    "vpn": NetworkClass.VPN,
    "tor": NetworkClass.TOR,
    "cloud": NetworkClass.BIG_CLOUD,
    "proxy": NetworkClass.PROXY,
    "none": _NONE,
}
MMDB_FAULTS: Final = (maxminddb.InvalidDatabaseError, TypeError, IndexError, KeyError, struct.error)
"""What the reader raises on damaged files: its native half the first, its Python half any."""

MMDB_HINT: Final = "give a whole file in the .mmdb format, fetched anew"
_LIST_HINT: Final = f"a line is a CIDR block and any of {', '.join(_WORDS)}, e.g. 203.0.113.0/24 vpn"


class Lookup(Protocol):
    """A file of networks."""

    def get(self, address: IPv4Address | IPv6Address) -> object:
        """Return the record of an address, or None."""
        ...


class MmdbFile:
    """A file in MaxMind's format, read as it was when it was opened.

    The reader maps its file into memory, and a mapped file that somebody cuts short kills the
    process that reads it. So it is given a private copy.
    """

    def __init__(self, data: bytes) -> None:
        """Open the bytes of a file.

        Raises:
            OSError, MMDB_FAULTS: it is no such file.
        """
        self._reader = _open_copy(data)
        self._version = self._reader.metadata().ip_version

    def get(self, address: IPv4Address | IPv6Address) -> object:
        """Return the record of an address, or None.

        Raises:
            ValueError, MMDB_FAULTS: the file is damaged there.
        """
        if address.version > self._version:
            return None
        return self._reader.get(address)


def _open_copy(data: bytes) -> maxminddb.Reader:
    if hasattr(os, "memfd_create"):
        copy = os.memfd_create("addresses")
        try:
            rest = memoryview(data)
            while rest:
                # Written, not copied into a mapping: a system call lets other threads run meanwhile.
                rest = rest[os.write(copy, rest) :]
            return maxminddb.open_database(f"/proc/self/fd/{copy}")
        finally:
            os.close(copy)
    return maxminddb.open_database(BytesIO(data), maxminddb.MODE_FD)


class ClassList:
    """A list of CIDR blocks with the classes of their networks; the narrowest block rules."""

    def __init__(self, text: str) -> None:
        """Read the lines; what follows ``#`` is a comment.

        Raises:
            ValueError: naming the line that is none.
        """
        self._blocks: dict[tuple[int, int], dict[int, NetworkClass]] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.partition("#")[0].replace(",", " ").split()
            if words:
                self._add(number, words)
        self._widths = sorted(self._blocks, reverse=True)

    def _add(self, number: int, words: list[str]) -> None:
        unknown = [word for word in words[1:] if word not in _WORDS]
        if unknown or len(words) == 1:
            raise ValueError(f"line {number}: no class in {' '.join(unknown) or words[0]!r}")
        try:
            block = ip_network(words[0])
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        kind = _NONE
        for word in words[1:]:
            kind |= _WORDS[word]
        base = int(block.network_address) >> (block.max_prefixlen - block.prefixlen)
        self._blocks.setdefault((block.version, block.prefixlen), {})[base] = kind

    def get(self, address: IPv4Address | IPv6Address) -> object:
        """Return the class of the narrowest block that holds an address, or None."""
        number = int(address)
        for version, width in self._widths:
            if version == address.version:
                kind = self._blocks[version, width].get(number >> (address.max_prefixlen - width))
                if kind is not None:
                    return kind
        return None


def open_table(path: Path, *, listable: bool) -> Lookup:
    """Open a file of networks; ``listable`` where a plain list of CIDR blocks is as good.

    Raises:
        TableError: naming the file and how it is mended.
    """
    try:
        data = path.read_bytes()
        if _MMDB_MARK in data[-_MMDB_MARK_WITHIN:]:
            return MmdbFile(data)
        if not listable:
            raise TableError(f"{path}: it is not in the .mmdb format, or cut short", hint=MMDB_HINT)
        return ClassList(data.decode("utf-8"))
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}", hint="check addresses: in the settings") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path}: neither .mmdb nor a list, or cut short", hint=MMDB_HINT) from error
    except MMDB_FAULTS as error:
        raise TableError(f"{path}: damaged, or cut short", hint=MMDB_HINT) from error
    except ValueError as error:
        raise TableError(f"{path}: {error}", hint=_LIST_HINT) from error


def read_number(record: object) -> int:
    """Return the AS number of a record: ``autonomous_system_number``, or ``asn`` as number or ``AS64496``."""
    if not isinstance(record, dict):
        return 0
    value = record.get("autonomous_system_number", record.get("asn"))
    if isinstance(value, str) and value.removeprefix("AS").isdecimal():
        return int(value.removeprefix("AS"))
    return value if isinstance(value, int) else 0


def read_country(record: object) -> str:
    """Return the country of a record: ``country.iso_code``, ``country_code`` or ``country``."""
    if not isinstance(record, dict):
        return ""
    held = record.get("country", record.get("country_code"))
    if isinstance(held, dict):
        held = held.get("iso_code")
    return held if isinstance(held, str) and len(held) == len("ZZ") else ""


def read_class(record: object) -> NetworkClass | None:
    """Return the classes of a record, or None where there is none."""
    if isinstance(record, NetworkClass):
        return record
    if not isinstance(record, dict):
        return None
    kind = _NONE
    for name, bit in _CLASSES.items():
        if record.get(name) in (True, "true"):
            kind |= bit
    return kind
