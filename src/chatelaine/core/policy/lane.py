"""What each lane lets through, by the settings: rates, delays, and what the quarantine lane serves."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from chatelaine.core.grammar.amend import Amendment, draws_on_more
from chatelaine.core.policy.pace import Paces
from chatelaine.model.exchange import Asked, Modality, Operation, RefusalReason, RouteMatch, Shape
from chatelaine.model.playbook import Lane
from chatelaine.model.policy import Disposition, Hold
from chatelaine.model.settings import ContainmentSettings
from chatelaine.model.words import Instant, KeyId

_SERVED: Final = frozenset({Operation.CHAT, Operation.COMPLETION, Operation.RESPONSE, Operation.COUNT})
"""What the quarantine lane serves at all: text that is made or counted."""
_TEXT: Final = frozenset({Modality.TEXT})
_A_MILLISECOND: Final = 1_000_000
_PASSED: Final = {
    Lane.REFUSE: Disposition.BLOCKED,
    Lane.DECOY: Disposition.ISOLATED,
    Lane.QUARANTINE: Disposition.QUARANTINED,
    Lane.THROTTLE: Disposition.ALLOWED,
    Lane.TARPIT: Disposition.DELAYED,
}


def passed_as(hold: Hold | None) -> Disposition:
    """Return what is done with an exchange that goes on although something may hold it back."""
    return Disposition.ALLOWED if hold is None else _PASSED[hold.lane]


class Lanes:
    """The lanes of one worker, as the settings in force describe them."""

    __slots__ = (
        "_cap",
        "_delay_ms",
        "_mapped",
        "_models",
        "_paces",
        "_preamble",
        "_prefixes",
        "_rates",
        "decoy_text",
    )

    def __init__(self, settings: ContainmentSettings, paces: Paces) -> None:
        quarantine = settings.quarantine
        self._paces = paces
        self._rates = {
            Lane.QUARANTINE: quarantine.requests_per_minute,
            Lane.THROTTLE: settings.throttle_requests_per_minute,
        }
        self._delay_ms = settings.tarpit_delay // timedelta(milliseconds=1)
        self._cap = quarantine.output_tokens
        self._preamble = quarantine.preamble or ""
        self._models, self._prefixes = _patterns(quarantine.models)
        self._mapped = tuple((each.asked, each.served) for each in quarantine.mapped)
        self.decoy_text = settings.decoy_text

    def wait(self, hold: Hold, key: KeyId, now: Instant) -> int:
        """Count a request against its lane's rate; return 0, or the seconds until there is room for it."""
        rate = self._rates.get(hold.lane)
        if rate is None:
            return 0
        return self._paces.take(hold.restraint or key, hold.requests_per_minute or rate, now)

    def delay(self, hold: Hold) -> int:
        """Return the nanoseconds by which a request in the tarpit is late."""
        return (hold.delay_ms or self._delay_ms) * _A_MILLISECOND

    # The quarantine lane.

    def fault(self, route: RouteMatch, asked: Asked, shape: Shape, body: bytes) -> RefusalReason | None:
        """Return why the quarantine lane does not serve a request, or None.

        Raises:
            BodyUnreadable: a name stands twice in the body.
        """
        if asked.operation not in _SERVED or route.upload or route.websocket:
            return RefusalReason.OPERATION_NOT_GRANTED
        if not _TEXT.issuperset(asked.modalities):
            return RefusalReason.MODALITY_NOT_GRANTED
        if shape.tools or (body and draws_on_more(body)):
            return RefusalReason.TOOLS_NOT_GRANTED
        if self._served_by(route, asked.model) or not (self._models or self._prefixes):
            return None
        if asked.model in self._models or asked.model.startswith(self._prefixes):
            return None
        return RefusalReason.MODEL_NOT_GRANTED

    def amendment(self, route: RouteMatch, asked: Asked, identifier: str) -> Amendment:
        """Return what the quarantine lane changes in a request that it serves."""
        return Amendment(self._served_by(route, asked.model), self._cap, self._preamble, identifier)

    def capped(self, shape: Shape) -> Shape:
        """Return the shape of a request whose output is capped by the quarantine lane."""
        asked = shape.output_cap
        return replace(shape, output_cap=self._cap if asked is None else min(asked, self._cap))

    def _served_by(self, route: RouteMatch, model: str) -> str:
        if route.model:
            # A path that names the model is not written anew.
            return ""
        for asked, served in self._mapped:
            if model == asked or (asked.endswith("*") and model.startswith(asked[:-1])):
                return served
        return ""


def _patterns(names: Iterable[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return plain names, and what stands before the ``*`` of the others."""
    listed = tuple(names)
    whole = frozenset(name for name in listed if not name.endswith("*"))
    return whole, tuple(name[:-1] for name in listed if name.endswith("*"))
