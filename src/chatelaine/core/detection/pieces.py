"""The state of detections as pieces of bytes, and back."""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from chatelaine.core.detection.links import Dumped
from chatelaine.core.detection.memory import Memory
from chatelaine.model.detection import Sighting

Memories = list[tuple[str, str, Memory]]
HabitParts = tuple[bytes, bytes, bytes, bytes, tuple[int, ...], dict[int, int]]

_write: Final = msgspec.msgpack.Encoder().encode
_read_habit: Final[Callable[[bytes], HabitParts]] = msgspec.msgpack.Decoder(HabitParts).decode
_read_open: Final[Callable[[bytes], tuple[Sighting, ...]]] = msgspec.msgpack.Decoder(
    tuple[Sighting, ...]
).decode
_read_links: Final[Callable[[bytes], Dumped]] = msgspec.msgpack.Decoder(Dumped).decode
_read_memories: Final[Callable[[bytes], Memories]] = msgspec.msgpack.Decoder(Memories).decode


def write_habit(parts: HabitParts) -> bytes:
    """Return a habit as it is kept."""
    return _write(parts)


def read_habit(data: bytes) -> HabitParts:
    """Return what makes a habit.

    Raises:
        msgspec.DecodeError: the bytes are none.
    """
    return _read_habit(data)


def write_open(sightings: Iterable[Sighting]) -> bytes:
    """Return openings that wait for their ends, as they are kept."""
    return _write(tuple(sightings))


def read_open(data: bytes) -> tuple[Sighting, ...]:
    """Return openings that wait for their ends.

    Raises:
        msgspec.DecodeError: the bytes are none.
    """
    return _read_open(data)


def write_links(dumped: Dumped) -> bytes:
    """Return the links over all keys as they are kept."""
    return _write(dumped)


def read_links(data: bytes) -> Dumped:
    """Return the links over all keys.

    Raises:
        msgspec.DecodeError: the bytes are none.
    """
    return _read_links(data)


def write_memories(memories: Memories) -> bytes:
    """Return what one detection remembers, as it is kept."""
    return _write(memories)


def read_memories(data: bytes) -> Memories:
    """Return what one detection remembers.

    Raises:
        msgspec.DecodeError: the bytes are none.
    """
    return _read_memories(data)
