"""The doctor's looks at what lies on the disk: storage, secrets, certificate, clock, tables."""

import shutil
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from chatelaine.adapters.geo import AddressTables
from chatelaine.adapters.prices import load_prices
from chatelaine.adapters.tls import certificate_warnings, expires_at
from chatelaine.app.wire import Places, peppers, sealer
from chatelaine.model.settings import Settings
from chatelaine.surfaces.cli.doctor import Diagnosis, Level

Look = Callable[[Settings, Places], Iterator[Diagnosis]]

_GIB = 1024**3
_LITTLE = 1 * _GIB
_TOO_LITTLE = _GIB // 10
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SKEW = 60
"""Seconds that a file may lie in the future before the clock is doubted."""


def look_at_storage(settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Look at the storage directory: whose it is, who may read it, what space it has."""
    del settings
    mode = stat.S_IMODE(places.root.stat().st_mode)
    if mode & _OTHERS:
        yield Diagnosis(
            "storage",
            Level.FAIL,
            f"{places.root} is open to other users (mode {mode:04o})",
            f"chmod 700 {places.root}",
        )
    free = shutil.disk_usage(places.root).free
    said = f"{places.root} has {free / _GIB:.1f} GiB free"
    if free < _LITTLE:
        level = Level.FAIL if free < _TOO_LITTLE else Level.WARN
        yield Diagnosis("storage", level, said, "without space the gate refuses new exchanges (503)")
    elif not mode & _OTHERS:
        yield Diagnosis("storage", Level.OK, said)


def look_at_secrets(settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Read pepper and key-encryption key from where the settings say; make none."""
    made = [name for name in ("pepper", "kek") if not places.secret(name).exists()]
    if made and not places.store.exists():
        yield Diagnosis("secrets", Level.OK, "not made yet: the first `chatelaine up` makes them")
        return
    if "pepper" in made and not settings.keys.peppers:
        yield Diagnosis(
            "secrets",
            Level.FAIL,
            f"{places.secret('pepper')} is gone: no issued key works without it",
            "restore it from a copy, or issue all keys anew",
        )
        return
    peppers(settings, places)
    sealer(settings, places)
    yield Diagnosis("secrets", Level.OK, "pepper and key-encryption key can be read")


def look_at_captures(settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Look at where captured content lies: who may read it, and whether its key lies beside it."""
    capture = settings.capture
    directory = places.captures(capture)
    mode = stat.S_IMODE(directory.stat().st_mode) if directory.is_dir() else 0
    if mode & _OTHERS:
        yield Diagnosis(
            "captures",
            Level.FAIL,
            f"{directory} is open to other users (mode {mode:04o})",
            f"chmod 700 {directory}",
        )
    elif capture.enabled and settings.keys.kek is None:
        own = places.secret("kek")
        yield Diagnosis(
            "captures",
            Level.WARN,
            f"content is captured, and the key that opens it lies beside it: {own}",
            "point keys.kek at a file, variable or command outside of the storage directory",
        )
    else:
        said = "on" if capture.enabled else "off"
        yield Diagnosis("captures", Level.OK, f"capture is {said}; content lies in {directory}")


def look_at_certificate(settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Look at the dates of the gate's certificate."""
    tls = settings.gate.tls
    if not tls.enabled:
        yield Diagnosis("certificate", Level.OK, "TLS is off: plain HTTP")
        return
    path = tls.certificate or places.certificate
    if tls.certificate is None and not path.exists():
        yield Diagnosis("certificate", Level.OK, "not made yet: the first `chatelaine up` signs its own")
        return
    now = datetime.now(UTC)
    try:
        warnings = certificate_warnings(path, now=now)
    except (OSError, ValueError):
        # One that is given is told of where the settings name it.
        if tls.certificate is None:
            fix = "the next `chatelaine up` signs a new one"
            yield Diagnosis("certificate", Level.WARN, f"{path} cannot be read as a certificate", fix)
        return
    for fault in warnings:
        level = Level.FAIL if now >= expires_at(path) else Level.WARN
        yield Diagnosis("certificate", level, f"{fault.where}: {fault.message}", fault.hint)
    if not warnings:
        yield Diagnosis("certificate", Level.OK, f"{path} is good until {expires_at(path):%Y-%m-%d}")


def look_at_clock(settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Compare the clock with the newest file that was written here."""
    del settings
    written, newest = max(
        ((path.stat().st_mtime, path) for path in _files(places)), default=(0.0, places.root)
    )
    now = datetime.now(UTC)
    if written > now.timestamp() + _SKEW:
        ahead = written - now.timestamp()
        yield Diagnosis(
            "clock",
            Level.FAIL,
            f"{newest} was written {ahead:.0f} s in the future: the clock went back",
            "set it by NTP; budgets and expiry go by it",
        )
    else:
        yield Diagnosis("clock", Level.OK, f"{now:%Y-%m-%dT%H:%M:%SZ}, not before what was written here")


def _files(places: Places) -> Iterator[Path]:
    yield from (path for path in (places.store, places.meter) if path.exists())
    if places.journal.is_dir():
        yield from places.journal.iterdir()


def look_at_addresses(settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Open the address tables."""
    del places
    AddressTables(settings.addresses)
    files = (settings.addresses.asn, settings.addresses.country, settings.addresses.classes)
    own = len(files) - files.count(None)
    yield Diagnosis("addresses", Level.OK, f"the embedded IPv4 table and {own} files of yours can be read")


def look_at_prices(settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Read the price table."""
    del places
    table = load_prices(settings.prices.file)
    yield Diagnosis("prices", Level.OK, f"{len(table.rows)} models are priced, as of {table.dated}")
