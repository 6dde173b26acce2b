"""Networks by address: an embedded table of the IPv4 space, and the operator's own files before it."""

import zipfile
from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from struct import unpack_from
from typing import Final, Protocol

import maxminddb

from chatelaine.model.error import TableError
from chatelaine.model.exchange import Network, NetworkClass
from chatelaine.model.settings import AddressSettings

_REMEMBERED: Final = 65_536
_MAGIC: Final = b"\x93NUMPY\x01\x00"
_CLASSES: Final = {
    "is_hosting_provider": NetworkClass.HOSTING,
    "is_anonymous_vpn": NetworkClass.VPN,
    "is_tor_exit_node": NetworkClass.TOR,
}


def _column(archive: zipfile.ZipFile, name: str, kind: str) -> array[int]:
    """Read one column of an npz archive (NumPy's format 1.0) without NumPy."""
    data = archive.read(f"{name}.npy")
    if not data.startswith(_MAGIC):
        raise ValueError(f"{name} is no NumPy array")
    start = 10 + int(unpack_from("<H", data, 8)[0])
    return array(kind, data[start:])


class Ipv4Table:
    """The embedded table: four columns, searched by bisection."""

    def __init__(self, data: bytes) -> None:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            self._starts = _column(archive, "B", "I")
            self._asns = _column(archive, "asn", "I")
            self._kinds = _column(archive, "fl", "B")

    def find(self, address: IPv4Address) -> tuple[int, NetworkClass]:
        """Return AS number and class bits of an address."""
        row = bisect_right(self._starts, int(address)) - 1
        return self._asns[row], NetworkClass(self._kinds[row])


def embedded() -> Ipv4Table:
    """Return the table that comes with the package.

    Raises:
        TableError: the package is damaged.
    """
    try:
        return Ipv4Table(files("chatelaine.tables").joinpath("ipv4.npz").read_bytes())
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise TableError(f"the embedded address table: {error}", hint="install the package anew") from error


class Lookup(Protocol):
    """A file of networks."""

    def get(self, ip: str) -> object:
        """Return the record of an address, or None."""
        ...


def open_mmdb(path: Path) -> Lookup:
    """Open a file in MaxMind's format.

    Raises:
        TableError: naming the file.
    """
    try:
        return maxminddb.open_database(str(path), maxminddb.MODE_MEMORY)
    except (OSError, maxminddb.InvalidDatabaseError, ValueError) as error:
        raise TableError(f"{path}: {error}", hint="addresses: wants files in the .mmdb format") from error


class AddressTables:
    """The address book: operator's files first, the embedded table for what they do not say."""

    def __init__(self, settings: AddressSettings) -> None:
        self._settings = settings
        self._embedded = embedded()
        self._files: Mapping[str, Lookup] = {}
        self._stamps: Mapping[Path, tuple[float, int]] = {}
        self.find: Callable[[str], Network] = self._find
        self.reload()

    def _paths(self) -> dict[str, Path]:
        named = {
            "asn": self._settings.asn,
            "country": self._settings.country,
            "classes": self._settings.classes,
        }
        return {name: path for name, path in named.items() if path is not None}

    def reload(self) -> bool:
        """Open files that changed; return whether any did. What is in use stays if one is broken.

        Raises:
            TableError: a file is missing or broken.
        """
        paths = self._paths()
        try:
            stamps = {path: (path.stat().st_mtime, path.stat().st_size) for path in paths.values()}
        except OSError as error:
            raise TableError(f"{error.filename}: {error.strerror}", hint="check addresses:") from error
        if stamps == self._stamps and self._stamps:
            return False
        self._files = {name: open_mmdb(path) for name, path in paths.items()}
        self._stamps = stamps
        self.find = lru_cache(maxsize=_REMEMBERED)(self._find)
        return True

    def _find(self, ip: str) -> Network:
        try:
            address = ip_address(ip)
        except ValueError:
            return Network(ip)
        asn, kind = self._embedded.find(address) if isinstance(address, IPv4Address) else (0, _NONE)
        country = ""
        if self._files:
            asn = _number(self._record("asn", ip)) or asn
            country = _code(self._record("country", ip))
            kind |= _class(self._record("classes", ip))
        return Network(ip, asn, country, kind)

    def _record(self, name: str, ip: str) -> object:
        held = self._files.get(name)
        return held.get(ip) if held is not None else None


_NONE: Final = NetworkClass.NONE


def _number(record: object) -> int:
    value = record.get("autonomous_system_number", record.get("asn")) if isinstance(record, dict) else None
    return value if isinstance(value, int) else 0


def _code(record: object) -> str:
    held = record.get("country", record.get("country_code")) if isinstance(record, dict) else None
    if isinstance(held, dict):
        held = held.get("iso_code")
    return held[:2] if isinstance(held, str) else ""


def _class(record: object) -> NetworkClass:
    kind = _NONE
    if isinstance(record, dict):
        for name, bit in _CLASSES.items():
            if record.get(name) is True:
                kind |= bit
    return kind
