"""Nouns of the policy room: what was decided about an exchange, and on what terms."""

from msgspec import Struct

from chatelaine.model.exchange import Asked, Caller, Refusal, Reservation
from chatelaine.model.price import ModelPrice
from chatelaine.model.words import UpstreamName


class Terms(Struct, frozen=True):
    """On what terms an exchange may go upstream: where to, at what price, with what reserved."""

    targets: tuple[UpstreamName, ...]
    """Upstreams to try, in order."""
    price: ModelPrice
    reserved: Reservation
    slot: int


class Decision(Struct, frozen=True):
    """What was decided: terms to go on under, or a refusal with its detail for the analyst."""

    caller: Caller
    asked: Asked
    terms: Terms | None = None
    refusal: Refusal | None = None
    detail: str = ""
