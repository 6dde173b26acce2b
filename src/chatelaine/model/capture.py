"""Nouns of content capture: what is kept of an exchange where its owner's content is captured."""

from enum import StrEnum

from msgspec import Struct

from chatelaine.model.words import ExchangeId, Instant, KeyId, OwnerId


class Part(StrEnum):
    """Which side of an exchange a content is."""

    REQUEST = "request"
    REPLY = "reply"


class PieceHead(Struct, frozen=True):
    """What stands before a piece of content: readable without a key, and authenticated with the piece."""

    number: int
    """Of the record in its segment, from 0; also the nonce the piece is encrypted with."""
    exchange: ExchangeId
    owner: OwnerId
    app: str
    key: KeyId
    part: Part
    piece: int
    """Of the part, from 0: the content is its pieces in order."""
    at: Instant
    size: int
    """Bytes of content in the piece."""
    seen: int
    """Bytes of the part that had passed when the piece was made, kept or not."""
    last: bool
    """True where no piece of the part follows: ``seen`` is then the whole size."""


class CapturedPart(Struct, frozen=True):
    """One side of an exchange as far as it was kept."""

    part: Part
    content: bytes
    size: int
    """Bytes that passed; more than the content has where it was cut."""
    whole: bool
    """False where the content was cut at the limit, or some of it was lost."""


class CapturedExchange(Struct, frozen=True):
    """What was kept of an exchange, without its content."""

    exchange: ExchangeId
    owner: OwnerId
    app: str
    key: KeyId
    at: Instant
    """When its first piece was made."""
    kept: int
    """Bytes of content that were kept of both parts."""
    whole: bool
    """False where a part was cut or lost; an exchange under way has no whole parts yet."""


class Removed(Struct, frozen=True):
    """What was deleted: records of content, and segment files."""

    records: int = 0
    segments: int = 0
