"""What differs between two settings, and what of it a running service takes over."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass

from chatelaine.model.settings import Durability, Settings, UnknownRoute

AT_RESTART = (
    "gate.host",
    "gate.port",
    "gate.workers",
    "gate.plain_anywhere",
    "gate.proxy_protocol",
    "gate.connections",
    "gate.tls.enabled",
    "admin",
    "journal",
    "storage",
    "keys",
    "capture.directory",
)
"""What takes effect at the next start only."""

_STRENGTHS: Mapping[str, Callable[[Settings], float]] = {
    "journal.durability": lambda held: held.journal.durability is Durability.FSYNC,
    "capture.enabled": lambda held: held.capture.enabled,
    "capture.everyone": lambda held: held.capture.everyone,
    "capture.owners": lambda held: len(held.capture.owners),
    "capture.apps": lambda held: len(held.capture.apps),
    "capture.keys": lambda held: len(held.capture.keys),
    "capture.retention": lambda held: held.capture.retention.total_seconds(),
    "gate.unknown_routes": lambda held: held.gate.unknown_routes is UnknownRoute.REFUSE,
    "gate.tls.enabled": lambda held: held.gate.tls.enabled,
    "gate.plain_anywhere": lambda held: not held.gate.plain_anywhere,
    "gate.trusted_proxies": lambda held: -len(held.gate.trusted_proxies),
    "gate.sizes.head": lambda held: -held.gate.sizes.head,
    "gate.sizes.json_body": lambda held: -held.gate.sizes.json_body,
    "gate.sizes.upload": lambda held: -held.gate.sizes.upload,
    "keys.lifetime": lambda held: -held.keys.lifetime.total_seconds(),
    "keys.overlap": lambda held: -held.keys.overlap.total_seconds(),
}
"""Settings that record or hold back something, and how much: less is told as weakened (threats.md D54)."""


def weakened(before: Settings, after: Settings) -> tuple[str, ...]:
    """Return the dotted names of settings by which less is recorded or held back than before."""
    return tuple(name for name, strength in _STRENGTHS.items() if strength(after) < strength(before))


def changes(before: Settings, after: Settings) -> tuple[str, ...]:
    """Return the dotted names of the settings that differ."""
    return tuple(_changes(before, after, ""))


def _changes(before: object, after: object, name: str) -> Iterator[str]:
    if before == after:
        return
    if not is_dataclass(before) or type(before) is not type(after):
        yield name
        return
    for field in fields(before):
        inner = f"{name}.{field.name}" if name else field.name
        yield from _changes(getattr(before, field.name), getattr(after, field.name), inner)


def split_by_restart(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what is taken over at once, and what takes effect at the next start only."""
    found = tuple(names)
    later = tuple(name for name in found if any(_within(name, part) for part in AT_RESTART))
    return tuple(name for name in found if name not in later), later


def _within(name: str, part: str) -> bool:
    return name == part or name.startswith(f"{part}.")


def digest(settings: Settings) -> str:
    """Return what tells these settings from others."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()
