"""Nouns of the policy room: what was decided about an exchange, and on what terms."""

from enum import StrEnum

from msgspec import Struct

from chatelaine.model.exchange import Asked, Caller, Refusal, Reservation
from chatelaine.model.playbook import Lane
from chatelaine.model.price import ModelPrice
from chatelaine.model.words import ActionId, UpstreamName


class Terms(Struct, frozen=True):
    """On what terms an exchange may go upstream: where to, at what price, with what reserved."""

    targets: tuple[UpstreamName, ...]
    """Upstreams to try, in order."""
    price: ModelPrice
    reserved: Reservation
    slot: int
    body: bytes | None = None
    """What goes upstream in place of the caller's body; None where that goes as it is."""


NO_RESTRAINT = ActionId("")


class Disposition(StrEnum):
    """What was finally done with an exchange, in the words of OCSF."""

    ALLOWED = "allowed"
    BLOCKED = "blocked"
    QUARANTINED = "quarantined"
    DELAYED = "delayed"
    ISOLATED = "isolated"
    """Answered without anything of it going upstream: the decoy."""


class Hold(Struct, frozen=True):
    """What holds for an exchange that a restraint, a habit or a canary's mark stands against."""

    lane: Lane
    restraint: ActionId = NO_RESTRAINT
    """The restraint it comes from; "" where it comes from the key's habit or its mark."""
    requests_per_minute: int = 0
    delay_ms: int = 0


class Decision(Struct, frozen=True):
    """What was decided: terms to go on under, or a refusal with its detail for the analyst."""

    caller: Caller
    asked: Asked
    terms: Terms | None = None
    refusal: Refusal | None = None
    detail: str = ""
    hold: Hold | None = None
    """What holds the exchange back; None where nothing does."""

    @property
    def lane(self) -> Lane | None:
        """The lane the exchange is in; None where nothing holds it back."""
        return self.hold.lane if self.hold is not None else None

    @property
    def restraint(self) -> ActionId:
        """The restraint that holds it back; "" where there is none."""
        return self.hold.restraint if self.hold is not None else NO_RESTRAINT
