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
    REMEMBERED = "remembered"
    """What detections remember of a key, by its id."""
    MEMORY = "memory"
    """What they remember of all that is no key: the name is empty."""
    LINKS = "links"
    """What was seen under which owner's keys, by table, generation and number."""
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
    ASLEEP = "asleep"
    """All that is kept of a key that others have been used since, by its id: it is read when it is used."""


class Piece(Struct, frozen=True, gc=False):
    """A piece of the state of detections, encoded; one without a value is kept no more."""

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
