"""What differs between two settings, and what of it a running service takes over."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass

from chatelaine.model.settings import Settings

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
