"""Networks by address: an embedded table of the IPv4 space, and the operator's own files before it."""

import struct
import zipfile
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from socket import AF_INET, inet_pton
from sys import byteorder
from typing import Final, NamedTuple

from chatelaine.adapters.geo.file import (
    MMDB_FAULTS,
    MMDB_HINT,
    Lookup,
    open_table,
    read_class,
    read_country,
    read_number,
)
from chatelaine.model.error import TableError
from chatelaine.model.exchange import Network, NetworkClass
from chatelaine.model.settings import AddressSettings

_REMEMBERED: Final = 8192
"""Addresses whose networks are held, about 300 bytes each."""

_MAGIC: Final = b"\x93NUMPY\x01\x00"
_NONE: Final = NetworkClass.NONE


class Ipv4Table:
    """The embedded table: columns over the whole IPv4 space, searched by bisection."""

    def __init__(self, data: bytes, countries: str) -> None:
        """Read the columns out of an npz archive, without NumPy.

        Raises:
            ValueError, KeyError, zipfile.BadZipFile, zlib.error, struct.error: it is no such archive.
        """
        with zipfile.ZipFile(BytesIO(data)) as archive:
            self._starts = _column(archive, "B", "I")
            self._asns = _column(archive, "asn", "I")
            self._countries = _column(archive, "cc", "B")
            self._kinds = _column(archive, "fl", "B")
        lengths = {len(column) for column in (self._starts, self._asns, self._countries, self._kinds)}
        if len(lengths) != 1 or not self._starts or self._starts[0] != 0:
            raise ValueError("its columns do not cover the address space")
        self._codes = ("", *countries.split())
        if max(self._countries) >= len(self._codes):
            raise ValueError("it names more countries than are listed")

    def find(self, address: int) -> tuple[int, str, NetworkClass]:
        """Return AS number, country and class bits of an address, given as a number."""
        row = bisect_right(self._starts, address) - 1
        return self._asns[row], self._codes[self._countries[row]], _KINDS[self._kinds[row]]


_KINDS: Final = tuple(NetworkClass(bits) for bits in range(256))


def _column(archive: zipfile.ZipFile, name: str, kind: str) -> "array[int]":
    """Read a column of little-endian numbers (NumPy's format 1.0)."""
    data = archive.read(f"{name}.npy")
    if not data.startswith(_MAGIC):
        raise ValueError(f"{name} is no NumPy array")
    column = array(kind)
    column.frombytes(memoryview(data)[10 + int(struct.unpack_from("<H", data, 8)[0]) :])
    if byteorder == "big":
        column.byteswap()
    return column


@lru_cache(maxsize=1)
def embedded() -> Ipv4Table:
    """Return the table that comes with the package; a process holds one.

    Raises:
        TableError: the package is damaged.
    """
    tables = files("chatelaine.tables")
    try:
        countries = tables.joinpath("ipv4.countries.txt").read_text(encoding="ascii")
        return Ipv4Table(tables.joinpath("ipv4.npz").read_bytes(), countries)
    except (OSError, ValueError, KeyError, struct.error, zlib.error, zipfile.BadZipFile) as error:
        raise TableError(f"the embedded address table: {error}", hint="install the package anew") from error


class _Stamp(NamedTuple):
    """What tells one state of a file from another."""

    changed_at: int
    size: int
    inode: int


class _Edition:
    """The tables as they stand between two changes, and what was found in them."""

    def __init__(self, held: Mapping[str, Lookup], report: Callable[[str], None]) -> None:
        self.held = held
        self._report = report
        self._found: dict[str, Network] = {}

    def find(self, ip: str) -> Network:
        known = self._found.get(ip)
        if known is None:
            known = self._look_up(ip)
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[ip] = known
        return known

    def _look_up(self, ip: str) -> Network:
        try:
            number = int.from_bytes(inet_pton(AF_INET, ip), "big")
        except (OSError, ValueError):
            return self._look_up_other(ip)
        asn, country, kind = embedded().find(number)
        if self.held:
            return self._overrule(Network(ip, asn, country, kind), IPv4Address(number))
        return Network(ip, asn, country, kind)

    def _look_up_other(self, ip: str) -> Network:
        try:
            address = IPv6Address(ip)
        except ValueError:
            return Network(ip)
        if address.ipv4_mapped is not None:
            plain = self._look_up(str(address.ipv4_mapped))
            return Network(ip, plain.asn, plain.country, plain.kind)
        return self._overrule(Network(ip), address)

    def _overrule(self, found: Network, address: IPv4Address | IPv6Address) -> Network:
        kind = read_class(self._record("classes", address))
        return Network(
            found.ip,
            read_number(self._record("asn", address)) or found.asn,
            read_country(self._record("country", address)) or found.country,
            found.kind if kind is None else kind,
        )

    def _record(self, name: str, address: IPv4Address | IPv6Address) -> object:
        table = self.held.get(name)
        if table is None:
            return None
        try:
            return table.get(address)
        except (ValueError, *MMDB_FAULTS):
            self._report(name)
            return None


class AddressTables:
    """The address book: the operator's files first, the embedded table for what they do not say.

    A record of the operator's classes replaces the embedded classes of its addresses whole, so a
    list may also clear a network (``none``).
    """

    def __init__(self, settings: AddressSettings) -> None:
        """Open all tables.

        Raises:
            TableError: a file is missing or broken.
        """
        named = {"asn": settings.asn, "country": settings.country, "classes": settings.classes}
        self._paths = {name: path for name, path in named.items() if path is not None}
        self._stamps: dict[str, _Stamp | None] = {}
        self._damage: dict[str, TableError] = {}
        embedded()
        self._edition = _Edition({}, self._note)
        self.reload()

    def find(self, ip: str) -> Network:
        """Return what is known of an address; an unknown one, or what is none, comes back bare."""
        return self._edition.find(ip)

    @property
    def stale(self) -> bool:
        """Whether a reload has something to do: a file changed, or was found damaged."""
        return bool(self._damage) or any(
            _stamp(path) != self._stamps[name] for name, path in self._paths.items()
        )

    def reload(self) -> bool:
        """Open the files that changed since they were last looked at; return whether any did.

        A file that is missing or broken is told of once, and what was read of it before stays in
        use. Fit for a thread beside the one that finds.

        Raises:
            TableError: a file is missing or broken, or was found damaged while it was used.
        """
        stamps = {name: _stamp(path) for name, path in self._paths.items()}
        changed = [name for name in stamps if name not in self._stamps or stamps[name] != self._stamps[name]]
        self._stamps.update(stamps)
        held = dict(self._edition.held)
        faults = list(self._take_damage(changed))
        for name in changed:
            try:
                held[name] = open_table(self._paths[name], listable=name == "classes")
            except TableError as fault:
                faults.append(fault)
        if changed:
            self._edition = _Edition(held, self._note)
        if faults:
            raise TableError("\n".join(fault.message for fault in faults), hint=faults[0].hint)
        return bool(changed)

    def _take_damage(self, mended: list[str]) -> Iterator[TableError]:
        damage, self._damage = self._damage, {}
        # Copied in one step: whoever is just finding in another thread may still note damage in it.
        return (fault for name, fault in tuple(damage.items()) if name not in mended)

    def _note(self, name: str) -> None:
        """Put a file aside that was found damaged, until it changes."""
        held = {other: table for other, table in self._edition.held.items() if other != name}
        self._edition = _Edition(held, self._note)
        self._damage[name] = TableError(
            f"{self._paths[name]}: found damaged while it was read", hint=MMDB_HINT
        )


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return _Stamp(found.st_mtime_ns, found.st_size, found.st_ino)


class MemoryAddresses:
    """An address book of the networks it is given, for tests."""

    def __init__(self, *networks: Network) -> None:
        self._networks = {network.ip: network for network in networks}

    def find(self, ip: str) -> Network:
        """Return the network given for an address, or a bare one."""
        return self._networks.get(ip) or Network(ip)
