"""A scene: one sighting, what is striking about it, and the habit of its key before it."""

from functools import lru_cache
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
_ANONYMOUS: Final = int(NetworkClass.TOR | NetworkClass.VPN | NetworkClass.PROXY)
_BROWSER: Final = "mozilla"
_UNPROVEN: Final = frozenset({RefusalReason.KEY_UNPROVEN.value, RefusalReason.KEY_MISSING.value})
_HOUR: Final = 3_600 * SECOND
_HOURS: Final = tuple(f"{hour:02}" for hour in range(24))
_DEAD: Final = frozenset({RefusalReason.KEY_REVOKED.value, RefusalReason.KEY_EXPIRED.value})


Shown = tuple[object, ...]
"""What a sighting shows, to be compared as a whole."""


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

    def familiar(self, shown: Shown) -> bool:
        """Tell whether this was compared today, and nothing of it was new or young."""
        ...

    def remember(self, shown: Shown) -> None:
        """Take note that nothing of this is new or young."""
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


_NOTHING: Final = 0
_SAME_BODY: Final = len(NOWHERE) - 1
"""Where the number of the same bodies stands; all before it speaks of others."""
_NOBODY: Final = NOWHERE[:_SAME_BODY]
_BITS: Final = {name: int(trait) for name, trait in Trait.__members__.items()}
_OPENED, _CLOSED, _FAILED = _BITS["OPENED"], _BITS["CLOSED"], _BITS["FAILED"]
_BLOCKED, _REFUSED = _BITS["BLOCKED"], _BITS["REFUSED"]
_YOUNG_ONE: Final = _BITS["YOUNG"]
_NEW_CLIENTS: Final = (
    (_BITS["NEW_PREFIX"], Dimension.PREFIX, "prefix"),
    (_BITS["NEW_COUNTRY"], Dimension.COUNTRY, "country"),
    (_BITS["NEW_CONTEXT"], Dimension.CONTEXT, "context"),
    (_BITS["NEW_AGENT"], Dimension.AGENT, "agent_family"),
    (_BITS["NEW_CLIENT"], Dimension.JA4, "ja4"),
    (_BITS["NEW_CLIENT"], Dimension.HEADERS, "header_hash"),
)
_NEW_WISHES: Final = (
    (_BITS["NEW_MODEL"], Dimension.MODEL, "model"),
    (_BITS["NEW_API_VERSION"], Dimension.API_VERSION, "api_version"),
)


def traits_of(
    sighting: Sighting, habit: HabitView, *, canary: bool = False, elsewhere: Elsewhere = NOWHERE
) -> Trait:
    """Return what is striking about a sighting; novelty is looked for where the habit is settled."""
    if sighting.phase is Phase.ADMIN:
        return Trait.ADMIN
    # Whole numbers until the end: a flag of the enumeration costs ten times as much to join.
    found = _BITS["CANARY"] if canary else _NOTHING
    if sighting.phase is not Phase.ENDED:
        found |= _OPENED | _asked(sighting)
        if habit.settled:
            found |= _novelty(sighting, habit)
            if habit.idle_days(sighting.at) >= _DORMANT_DAYS:
                found |= _BITS["DORMANT"]
    if sighting.phase is not Phase.OPENED:
        found |= _CLOSED | _outcome(sighting)
    return as_trait(found if elsewhere is NOWHERE else found | _links(elsewhere))


@lru_cache(maxsize=4096)
def as_trait(bits: int) -> Trait:
    """Return bits as traits."""
    return Trait(bits)


def _links(elsewhere: Elsewhere) -> int:
    found = _BITS["REPEATED"] if elsewhere.same_body >= _REPEATED else _NOTHING
    if elsewhere[:_SAME_BODY] != _NOBODY:
        found |= _BITS["LINKED"]
    return found


def _asked(sighting: Sighting) -> int:
    found = _NOTHING
    cap = sighting.cap
    tiny = cap is not None and (cap <= 0 or (cap <= _TINY_CAP and sighting.input_tokens <= _TINY_TOKENS))
    if sighting.empty or tiny:
        found |= _BITS["PROBE"]
    if sighting.operation is Operation.LIST:
        found |= _BITS["LISTING"]
    elif sighting.operation is Operation.IMAGE:
        found |= _BITS["IMAGE"]
    if sighting.tools:
        found |= _BITS["TOOLS"]
    if sighting.forwarded > sighting.believed:
        found |= _BITS["SPOOFED"]
    return found | _shown(sighting)


def _shown(sighting: Sighting) -> int:
    found = _NOTHING
    if sighting.network and int(sighting.network) & _ANONYMOUS:
        found |= _BITS["ANONYMOUS"]
    if sighting.agent_family == _BROWSER:
        found |= _BITS["BROWSER"]
    if sighting.sdk and ("origin", "") in sighting.sdk and ("referer", "") in sighting.sdk:
        found |= _BITS["RESIDUE"]
    return found


def _outcome(sighting: Sighting) -> int:
    found = _BLOCKED if sighting.blocked else _NOTHING
    if sighting.status >= _FIRST_FAILURE:
        found |= _FAILED
        if sighting.phase is Phase.WHOLE and sighting.reason:
            found |= _REFUSED
            if sighting.reason in _UNPROVEN:
                found |= _BITS["UNPROVEN"]
            elif sighting.reason in _DEAD:
                found |= _BITS["DEAD_KEY"]
    return found


def _novelty(sighting: Sighting, habit: HabitView) -> int:
    shown = shown_of(sighting)
    found = _NOTHING if habit.familiar(shown) else _compared(sighting, habit, shown)
    weight = habit.weight(Dimension.SYSTEM, sighting.system_hash) if sighting.system_hash else _YOUNG
    if weight < _YOUNG:
        found |= _YOUNG_ONE if weight else _BITS["NEW_SYSTEM"] | _YOUNG_ONE
    return found


def shown_of(sighting: Sighting) -> Shown:
    """Return what a sighting shows of its client and its wishes, but for the system prompt."""
    return (
        sighting.context,
        sighting.agent_family,
        sighting.model,
        sighting.operation,
        sighting.cap,
        sighting.modalities,
        sighting.api_version,
        sighting.at // _HOUR % 24,
    )


def _compared(sighting: Sighting, habit: HabitView, shown: Shown) -> int:
    """Return what of a sighting is new or young on its key; a key remembers what was neither."""
    found = _new_among(_NEW_WISHES, sighting, habit) | _new_wishes(sighting, habit)
    context = habit.weight(Dimension.CONTEXT, sighting.context)
    if not context:
        found |= _new_among(_NEW_CLIENTS, sighting, habit) | _new_network(sighting, habit)
    if context < _YOUNG:
        found |= _YOUNG_ONE
    if habit.weight(Dimension.HOUR, _HOURS[sighting.at // _HOUR % 24]) < _RARE_HOUR:
        found |= _BITS["NEW_HOUR"]
    if not found:
        habit.remember(shown)
    return found


def _new_among(places: tuple[tuple[int, Dimension, str], ...], sighting: Sighting, habit: HabitView) -> int:
    found = _NOTHING
    for trait, dimension, name in places:
        value: str = getattr(sighting, name)
        weight = habit.weight(dimension, value) if value else _YOUNG
        if weight < _YOUNG:
            found |= _YOUNG_ONE if weight else trait | _YOUNG_ONE
    return found


def _new_wishes(sighting: Sighting, habit: HabitView) -> int:
    found = _NOTHING
    if not habit.weight(Dimension.OPERATION, sighting.operation.value):
        found |= _BITS["NEW_OPERATION"]
    cap = habit.weight(Dimension.CAP, str(sighting.cap) if sighting.cap is not None else "none")
    if cap < _YOUNG:
        found |= _YOUNG_ONE if cap else _BITS["NEW_CAP"] | _YOUNG_ONE
    if any(not habit.weight(Dimension.MODALITY, modality.value) for modality in sighting.modalities):
        found |= _BITS["NEW_MODALITY"]
    return found


def _new_network(sighting: Sighting, habit: HabitView) -> int:
    found = _NOTHING
    if sighting.asn and not habit.weight(Dimension.ASN, str(sighting.asn)):
        found |= _BITS["NEW_ASN"]
    if not habit.weight(Dimension.NETWORK_CLASS, str(int(sighting.network))):
        found |= _BITS["NEW_NETWORK_CLASS"]
    return found
