"""Nouns of the journal: where a record stands, what a segment says of itself, what was left open."""

from enum import Enum
from typing import NamedTuple

from msgspec import Raw, Struct

from chatelaine.model.exchange import Caller
from chatelaine.model.words import ExchangeId, Instant, NanoUsd, WorkerNumber


class Position(NamedTuple):
    """A place in one worker's journal: the next record to be read; it survives compression and mending."""

    sequence: int
    """The segment's number, from 1."""
    offset: int
    """Bytes from the start of the segment as it was written."""


class SegmentHeader(NamedTuple):
    """The first line of a segment: whose it is, and where the one before it ended."""

    worker: WorkerNumber
    sequence: int
    created_at: Instant
    previous: Position
    """Where the segment before it ends; what stands there beyond is void. Sequence 0: there is none."""
    repeats: bool
    """True where what is void in the segment before is repeated here, byte for byte, from the start."""


class OpenExchange(Struct, frozen=True):
    """An exchange that was opened and not ended: what its interruption needs."""

    exchange: ExchangeId
    worker: WorkerNumber
    opened_at: Instant
    caller: Caller
    slot: int
    cost: NanoUsd
    """What was reserved for it: the worst case."""


class Carried(Struct, frozen=True):
    """The first record of a segment: what was open when it began, so that no older one need be read."""

    open: tuple[OpenExchange, ...] = ()


class Envelope(Struct, frozen=True):
    """A payload: what kind of event it holds, in which version, and the event itself."""

    kind: str
    version: int
    event: Raw


class Ending(Enum):
    """How a run of frames ends."""

    WHOLE = "whole"
    """At the end of a frame."""
    TORN = "torn"
    """Within a frame whose rest is not there (yet): normal after a crash."""
    BROKEN = "broken"
    """At bytes that are no frame."""
