"""The state of detections as pieces of bytes, and back."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec

from chatelaine.core.detection.combine import Window
from chatelaine.core.detection.links import Dumped
from chatelaine.core.detection.memory import Memory
from chatelaine.model.detection import Sighting
from chatelaine.model.words import KeyId

Memories = list[tuple[str, str, Memory]]
Windows = list[tuple[str, str, Window]]
PastParts = tuple[str, list[tuple[str, str, bool, int, str, list[int]]]]
Frozen = tuple[dict[str, str], list[str]]
HabitParts = tuple[bytes, bytes, bytes, bytes, tuple[int, ...], dict[int, int]]

_write: Final = msgspec.msgpack.Encoder().encode
_read_habit: Final[Callable[[bytes], HabitParts]] = msgspec.msgpack.Decoder(HabitParts).decode
_read_open: Final[Callable[[bytes], tuple[Sighting, ...]]] = msgspec.msgpack.Decoder(
    tuple[Sighting, ...]
).decode
_read_links: Final[Callable[[bytes], Dumped]] = msgspec.msgpack.Decoder(Dumped).decode
_read_memories: Final[Callable[[bytes], Memories]] = msgspec.msgpack.Decoder(Memories).decode

_read_windows: Final[Callable[[bytes], Windows]] = msgspec.msgpack.Decoder(Windows).decode
_read_frozen: Final[Callable[[bytes], Frozen]] = msgspec.msgpack.Decoder(Frozen).decode
_read_builtins: Final[Callable[[bytes], dict[str, object]]] = msgspec.msgpack.Decoder(
    dict[str, object]
).decode
_read_past: Final[Callable[[bytes], PastParts]] = msgspec.msgpack.Decoder(PastParts).decode


def write_builtins(state: Mapping[str, object]) -> bytes:
    """Return a state in builtins, as it is kept."""
    return _write(state)


def read_builtins(data: bytes) -> dict[str, object]:
    """Return a state in builtins.

    Raises:
        msgspec.DecodeError: the bytes are none.
    """
    return _read_builtins(data)


def write_past(parts: PastParts) -> bytes:
    """Return a key's last days, as they are kept."""
    return _write(parts)


def read_past(data: bytes) -> PastParts:
    """Return what makes a key's last days.

    Raises:
        msgspec.DecodeError: the bytes are none.
    """
    return _read_past(data)


def write_windows(windows: Windows) -> bytes:
    """Return the windows of the combiner, as they are kept."""
    return _write(windows)


def read_windows(data: bytes) -> Windows:
    """Return the windows of the combiner.

    Raises:
        msgspec.DecodeError: the bytes are none.
    """
    return _read_windows(data)


def write_frozen(frozen: Mapping[KeyId, str], canaries: Iterable[KeyId]) -> bytes:
    """Return which keys learn nothing, why, and which are canaries, as it is kept."""
    return _write((dict(frozen), sorted(canaries)))


def read_frozen(data: bytes) -> Frozen:
    """Return which keys learn nothing, why, and which are canaries.

    Raises:
        msgspec.DecodeError: the bytes are none.
    """
    return _read_frozen(data)


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
