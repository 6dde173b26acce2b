"""Nouns of the watch: how far the journals were read, and what is kept of the state of detections."""

from enum import StrEnum

from msgspec import Struct

from chatelaine.model.journal import Position
from chatelaine.model.words import WorkerNumber


class PieceKind(StrEnum):
    """What a piece of state is of."""

    HABIT = "habit"
    """A key's habit, by its id."""
    OPEN = "open"
    """Openings that wait for their ends."""
    MEMORY = "memory"
    """What a detection remembers, by its id."""
    LINKS = "links"
    """What was seen under which owner's keys."""
    EVIDENCE = "evidence"
    """What the evidence engine knows of all keys together."""
    WEIGHED = "weighed"
    """What it knows of a key, by its id."""
    COMBINED = "combined"
    """What findings of each key were combined."""
    FROZEN = "frozen"
    """Keys that learn nothing, and canaries."""
    PAST = "past"
    """A key's last thirty days by client context, by its id."""


class Piece(Struct, frozen=True, gc=False):
    """A piece of the state of detections, encoded."""

    kind: PieceKind
    name: str
    value: bytes


class Cursor(Struct, frozen=True):
    """How far every journal was read: what is behind these positions was seen."""

    positions: dict[WorkerNumber, Position] = {}


class WatchTold(Struct, frozen=True):
    """How far the watch over the journals has come since the hub started."""

    seen: int = 0
    """Events judged."""
    behind: float = 0.0
    """Seconds from the last of them until it was judged."""
    faults: int = 0
    """Places where a journal is damaged."""
    habits: int = 0
    """Keys whose settled habits the gates hold."""
