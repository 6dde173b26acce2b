"""The memory of a detection, apart from what is done with it: a struct is native code already."""

from typing import Final

from msgspec import Struct

from chatelaine.model.words import NEVER, Instant


class Memory(Struct, frozen=True, array_like=True, gc=False):
    """The state of one detection for one group; a step returns the next."""

    recent: tuple[tuple[Instant, str], ...] = ()
    """Values with their instants, oldest first."""
    told_at: Instant = NEVER
    numbers: tuple[float, ...] = ()


EMPTY: Final = Memory()
