"""The state of detections as pieces of bytes, and back."""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

from chatelaine.core.detection.combine import Window
from chatelaine.core.detection.links import Bodies, Sharings, Turns
from chatelaine.core.detection.run import OfKey, Rest
from chatelaine.model.detection import Sighting
from chatelaine.model.words import Instant

_Parts = TypeVar("_Parts")

Windows = list[tuple[str, str, Window]]
PastParts = tuple[str, list[tuple[str, str, bool, int, str, list[int]]]]
Frozen = tuple[dict[str, str], list[str]]
"""Which keys learn nothing and why, and which are canaries."""
HabitParts = tuple[bytes, bytes, bytes, bytes, tuple[int, ...], dict[int, int]]


class Form(Generic[_Parts]):
    """How one kind of state is kept: as MessagePack, and nothing of another shape is taken for it."""

    def __init__(self, shape: object) -> None:
        # An object, since the type of a tuple's elements is no class to mypy.
        self._write: Final = msgspec.msgpack.Encoder().encode
        self._read: Final[Callable[[bytes], _Parts]] = msgspec.msgpack.Decoder(shape).decode

    def write(self, parts: _Parts) -> bytes:
        """Return parts as they are kept."""
        return self._write(parts)

    def read(self, data: bytes) -> _Parts:
        """Return the parts that were kept.

        Raises:
            msgspec.DecodeError: the bytes are none of them.
        """
        return self._read(data)


BUILTINS: Final[Form[dict[str, object]]] = Form(dict[str, object])
PAST: Final[Form[PastParts]] = Form(PastParts)
WINDOWS: Final[Form[Windows]] = Form(Windows)
FROZEN: Final[Form[Frozen]] = Form(Frozen)
HABIT: Final[Form[HabitParts]] = Form(HabitParts)
ASLEEP: Final[Form[list[tuple[str, bytes]]]] = Form(list[tuple[str, bytes]])
"""The pieces of a key that is asleep, by their kinds."""
OPEN: Final[Form[tuple[Sighting, ...]]] = Form(tuple[Sighting, ...])
"""Openings that wait for their ends."""
BEGUN: Final[Form[Instant]] = Form(Instant)
TURNS: Final[Form[Turns]] = Form(Turns)
BODIES: Final[Form[Bodies]] = Form(Bodies)
SHARINGS: Final[Form[Sharings]] = Form(Sharings)
REMEMBERED: Final[Form[OfKey]] = Form(OfKey)
MEMORIES: Final[Form[Rest]] = Form(Rest)
