"""A scene: one sighting, what is striking about it, and the habit of its key before it."""

from typing import Final, NamedTuple, Protocol

from chatelaine.core.detection.evidence_said import Weight
from chatelaine.core.detection.links import NOWHERE, Elsewhere
from chatelaine.model.detection import Dimension, Measure, Phase, Sighting, Trait
from chatelaine.model.exchange import NetworkClass, Operation, RefusalReason
from chatelaine.model.words import SECOND, Instant

_DORMANT_DAYS: Final = 30
_FIRST_FAILURE: Final = 400
_TINY_CAP: Final = 5
_TINY_TOKENS: Final = 40
_YOUNG: Final = 50
"""Sightings after which a value is one of its key's own, whoever brought it."""
_RARE_HOUR: Final = 0.5
"""An hour of the day that was seen once, and not for a fortnight, is none of the key's."""
_REPEATED: Final = 10
_ANONYMOUS: Final = NetworkClass.TOR | NetworkClass.VPN | NetworkClass.PROXY
_BROWSER: Final = "mozilla"
_UNPROVEN: Final = frozenset({RefusalReason.KEY_UNPROVEN.value, RefusalReason.KEY_MISSING.value})
_HOUR: Final = 3_600 * SECOND
_HOURS: Final = tuple(f"{hour:02}" for hour in range(24))
_DEAD: Final = frozenset({RefusalReason.KEY_REVOKED.value, RefusalReason.KEY_EXPIRED.value})


class HabitView(Protocol):
    """A key's habit as detections read it (``core/key/habit.py`` keeps it)."""

    @property
    def settled(self) -> bool:
        """Whether the key was used enough for what is new to mean something."""
        ...

    def weight(self, dimension: Dimension, value: str) -> float:
        """Return how often a value was seen, older sightings counting less."""
        ...

    def share(self, dimension: Dimension, value: str) -> float:
        """Return the share of a value among all of its dimension."""
        ...

    def total(self, dimension: Dimension) -> float:
        """Return the weight of all values of a dimension."""
        ...

    def count(self, dimension: Dimension) -> int:
        """Return how many values of a dimension are held."""
        ...

    def mean(self, measure: Measure) -> float:
        """Return the geometric mean of a measure."""
        ...

    def high(self, measure: Measure, deviations: float = 3.0) -> float:
        """Return what a measure rarely exceeds."""
        ...

    def measured(self, measure: Measure) -> int:
        """Return how many times a measure was taken."""
        ...

    def idle_days(self, now: Instant) -> float:
        """Return days since the key was last seen."""
        ...


class Scene(NamedTuple):
    """All that a detection looks at."""

    sighting: Sighting
    traits: Trait
    habit: HabitView
    """As it stood before this sighting."""
    elsewhere: Elsewhere = NOWHERE
    """What of it was seen under keys of other owners."""
    weight: Weight | None = None
    """The evidence on its client, where it was weighed anew."""


def at_home(scene: Scene) -> bool:
    """Tell whether a sighting comes from a client context of its key's habit: likely the owner's."""
    return scene.habit.weight(Dimension.CONTEXT, scene.sighting.context) > 0


_NEW_CLIENTS: Final = (
    (Trait.NEW_PREFIX, Dimension.PREFIX, "prefix"),
    (Trait.NEW_COUNTRY, Dimension.COUNTRY, "country"),
    (Trait.NEW_CONTEXT, Dimension.CONTEXT, "context"),
    (Trait.NEW_AGENT, Dimension.AGENT, "agent_family"),
    (Trait.NEW_CLIENT, Dimension.JA4, "ja4"),
    (Trait.NEW_CLIENT, Dimension.HEADERS, "header_hash"),
)
_NEW_WISHES: Final = (
    (Trait.NEW_MODEL, Dimension.MODEL, "model"),
    (Trait.NEW_SYSTEM, Dimension.SYSTEM, "system_hash"),
    (Trait.NEW_API_VERSION, Dimension.API_VERSION, "api_version"),
)


def traits_of(
    sighting: Sighting, habit: HabitView, *, canary: bool = False, elsewhere: Elsewhere = NOWHERE
) -> Trait:
    """Return what is striking about a sighting; novelty is looked for where the habit is settled."""
    if sighting.phase is Phase.ADMIN:
        return Trait.ADMIN
    found = Trait.CANARY if canary else Trait.ANY
    if sighting.phase is not Phase.ENDED:
        found |= Trait.OPENED | _asked(sighting)
        if habit.settled:
            found |= _novelty(sighting, habit)
            if habit.idle_days(sighting.at) >= _DORMANT_DAYS:
                found |= Trait.DORMANT
    if sighting.phase is not Phase.OPENED:
        found |= Trait.CLOSED | _outcome(sighting)
    return found if elsewhere is NOWHERE else found | _links(elsewhere)


def _links(elsewhere: Elsewhere) -> Trait:
    found = Trait.REPEATED if elsewhere.same_body >= _REPEATED else Trait.ANY
    if elsewhere._replace(same_body=0) != NOWHERE:
        found |= Trait.LINKED
    return found


def _asked(sighting: Sighting) -> Trait:
    found = Trait.ANY
    cap = sighting.cap
    tiny = cap is not None and (cap <= 0 or (cap <= _TINY_CAP and sighting.input_tokens <= _TINY_TOKENS))
    if sighting.empty or tiny:
        found |= Trait.PROBE
    if sighting.operation is Operation.LIST:
        found |= Trait.LISTING
    elif sighting.operation is Operation.IMAGE:
        found |= Trait.IMAGE
    if sighting.tools:
        found |= Trait.TOOLS
    if sighting.forwarded > sighting.believed:
        found |= Trait.SPOOFED
    return found | _shown(sighting)


def _shown(sighting: Sighting) -> Trait:
    found = Trait.ANY
    if sighting.network and sighting.network & _ANONYMOUS:
        found |= Trait.ANONYMOUS
    if sighting.agent_family == _BROWSER:
        found |= Trait.BROWSER
    if ("origin", "") in sighting.sdk and ("referer", "") in sighting.sdk:
        found |= Trait.RESIDUE
    return found


def _outcome(sighting: Sighting) -> Trait:
    found = Trait.BLOCKED if sighting.blocked else Trait.ANY
    if sighting.status >= _FIRST_FAILURE:
        found |= Trait.FAILED
        if sighting.phase is Phase.WHOLE and sighting.reason:
            found |= Trait.REFUSED
            if sighting.reason in _UNPROVEN:
                found |= Trait.UNPROVEN
            elif sighting.reason in _DEAD:
                found |= Trait.DEAD_KEY
    return found


def _novelty(sighting: Sighting, habit: HabitView) -> Trait:
    found = _new_among(_NEW_WISHES, sighting, habit) | _new_wishes(sighting, habit)
    context = habit.weight(Dimension.CONTEXT, sighting.context)
    if not context:
        found |= _new_among(_NEW_CLIENTS, sighting, habit) | _new_network(sighting, habit)
    if context < _YOUNG:
        found |= Trait.YOUNG
    if habit.weight(Dimension.HOUR, _HOURS[sighting.at // _HOUR % 24]) < _RARE_HOUR:
        found |= Trait.NEW_HOUR
    return found


def _new_among(
    places: tuple[tuple[Trait, Dimension, str], ...], sighting: Sighting, habit: HabitView
) -> Trait:
    found = Trait.ANY
    for trait, dimension, name in places:
        value: str = getattr(sighting, name)
        weight = habit.weight(dimension, value) if value else _YOUNG
        if weight < _YOUNG:
            found |= Trait.YOUNG if weight else trait | Trait.YOUNG
    return found


def _new_wishes(sighting: Sighting, habit: HabitView) -> Trait:
    found = Trait.ANY
    if not habit.weight(Dimension.OPERATION, sighting.operation.value):
        found |= Trait.NEW_OPERATION
    cap = habit.weight(Dimension.CAP, str(sighting.cap) if sighting.cap is not None else "none")
    if cap < _YOUNG:
        found |= Trait.YOUNG if cap else Trait.NEW_CAP | Trait.YOUNG
    if any(not habit.weight(Dimension.MODALITY, modality.value) for modality in sighting.modalities):
        found |= Trait.NEW_MODALITY
    return found


def _new_network(sighting: Sighting, habit: HabitView) -> Trait:
    found = Trait.ANY
    if sighting.asn and not habit.weight(Dimension.ASN, str(sighting.asn)):
        found |= Trait.NEW_ASN
    if not habit.weight(Dimension.NETWORK_CLASS, str(int(sighting.network))):
        found |= Trait.NEW_NETWORK_CLASS
    return found
