"""A scene: one sighting, what is striking about it, and the habit of its key before it."""

from typing import Final

from chatelaine.core.detection.evidence_said import Weight
from chatelaine.core.detection.links import NOWHERE, Elsewhere
from chatelaine.core.habit_view import UNCOMPARED, YOUNG, HabitView, Shown
from chatelaine.model.detection import Dimension, Phase, Sighting, Trait
from chatelaine.model.exchange import NetworkClass, Operation, RefusalReason
from chatelaine.model.words import SECOND

_DORMANT_DAYS: Final = 30
_FIRST_FAILURE: Final = 400
_TINY_CAP: Final = 5
_TINY_TOKENS: Final = 40
_RARE_HOUR: Final = 0.5
"""An hour of the day that was seen once, and not for a fortnight, is none of the key's."""
_OFTEN: Final = 10
_HIDDEN: Final = int(NetworkClass.TOR | NetworkClass.VPN | NetworkClass.PROXY)
_BROWSERS: Final = "mozilla"
_UNPROVEN_REASONS: Final = frozenset({RefusalReason.KEY_UNPROVEN.value, RefusalReason.KEY_MISSING.value})
# A member of an enumeration costs two look-ups to reach, a constant none.
_BEGUN: Final = Phase.OPENED
_ENDED: Final = Phase.ENDED
_WHOLE: Final = Phase.WHOLE
_ADMINISTERED: Final = Phase.ADMIN
_LIST: Final = Operation.LIST
_MAKES_IMAGE: Final = Operation.IMAGE
_CONTEXT: Final = Dimension.CONTEXT
_SYSTEM: Final = Dimension.SYSTEM
_HOUR: Final = 3_600 * SECOND
_HOURS: Final = tuple(f"{hour:02}" for hour in range(24))
_DEAD_REASONS: Final = frozenset({RefusalReason.KEY_REVOKED.value, RefusalReason.KEY_EXPIRED.value})


class Scene:
    """All that a detection looks at."""

    __slots__ = ("elsewhere", "habit", "sighting", "traits", "weight")

    def __init__(
        self,
        sighting: Sighting,
        traits: int,
        habit: HabitView,
        elsewhere: Elsewhere = NOWHERE,
        weight: Weight | None = None,
    ) -> None:
        self.sighting = sighting
        self.traits = int(traits)
        """Bits of ``Trait``: a number, since a flag costs ten times as much to ask."""
        self.habit = habit
        """As it stood before this sighting."""
        self.elsewhere = elsewhere
        """What of it was seen under keys of other owners."""
        self.weight = weight
        """The evidence on its client, where it was weighed anew."""

    def shows(self, traits: int) -> bool:
        """Tell whether it has one of these traits."""
        return self.traits & traits != 0


def at_home(scene: Scene) -> bool:
    """Tell whether a sighting comes from a client context of its key's habit: likely the owner's."""
    return scene.habit.weight(_CONTEXT, scene.sighting.context) > 0


_SAME_BODY: Final = len(NOWHERE) - 1
"""Where the number of the same bodies stands; all before it speaks of others."""
_NOBODY: Final = NOWHERE[:_SAME_BODY]
_OPENED: Final = int(Trait.OPENED)
_CLOSED: Final = int(Trait.CLOSED)
_FAILED: Final = int(Trait.FAILED)
_REFUSED: Final = int(Trait.REFUSED)
_UNPROVEN: Final = int(Trait.UNPROVEN)
_DEAD_KEY: Final = int(Trait.DEAD_KEY)
_CANARY: Final = int(Trait.CANARY)
_PROBE: Final = int(Trait.PROBE)
_LISTING: Final = int(Trait.LISTING)
_BLOCKED: Final = int(Trait.BLOCKED)
_SPOOFED: Final = int(Trait.SPOOFED)
_IMAGE: Final = int(Trait.IMAGE)
_NEW_PREFIX: Final = int(Trait.NEW_PREFIX)
_NEW_ASN: Final = int(Trait.NEW_ASN)
_NEW_COUNTRY: Final = int(Trait.NEW_COUNTRY)
_NEW_NETWORK_CLASS: Final = int(Trait.NEW_NETWORK_CLASS)
_NEW_CONTEXT: Final = int(Trait.NEW_CONTEXT)
_NEW_CLIENT: Final = int(Trait.NEW_CLIENT)
_NEW_AGENT: Final = int(Trait.NEW_AGENT)
_NEW_MODEL: Final = int(Trait.NEW_MODEL)
_NEW_OPERATION: Final = int(Trait.NEW_OPERATION)
_NEW_MODALITY: Final = int(Trait.NEW_MODALITY)
_NEW_SYSTEM: Final = int(Trait.NEW_SYSTEM)
_NEW_CAP: Final = int(Trait.NEW_CAP)
_NEW_API_VERSION: Final = int(Trait.NEW_API_VERSION)
_DORMANT: Final = int(Trait.DORMANT)
_ADMIN: Final = int(Trait.ADMIN)
_LINKED: Final = int(Trait.LINKED)
_REPEATED: Final = int(Trait.REPEATED)
_TOOLS: Final = int(Trait.TOOLS)
_NEW_HOUR: Final = int(Trait.NEW_HOUR)
_YOUNG: Final = int(Trait.YOUNG)
_ANONYMOUS: Final = int(Trait.ANONYMOUS)
_BROWSER: Final = int(Trait.BROWSER)
_RESIDUE: Final = int(Trait.RESIDUE)


def traits_of(
    sighting: Sighting, habit: HabitView, *, canary: bool = False, elsewhere: Elsewhere = NOWHERE
) -> Trait:
    """Return what is striking about a sighting; novelty is looked for where the habit is settled."""
    return Trait(bits_of(sighting, habit, elsewhere, canary=canary))


def bits_of(sighting: Sighting, habit: HabitView, elsewhere: Elsewhere, *, canary: bool) -> int:
    """Return the same as a number, as the hub asks for every event: flags cost ten times as much to join."""
    phase = sighting.phase
    if phase is _ADMINISTERED:
        return _ADMIN
    found = _CANARY if canary else 0
    if phase is not _ENDED:
        found |= _OPENED | _asked(sighting)
        if habit.settled:
            found |= _novelty(sighting, habit)
            if habit.idle_days(sighting.at) >= _DORMANT_DAYS:
                found |= _DORMANT
    if phase is not _BEGUN:
        found |= _CLOSED | _outcome(sighting)
    return found if elsewhere is NOWHERE else found | _links(elsewhere)


def _links(elsewhere: Elsewhere) -> int:
    found = _REPEATED if elsewhere.same_body >= _OFTEN else 0
    return found | _LINKED if elsewhere[:_SAME_BODY] != _NOBODY else found


def _asked(sighting: Sighting) -> int:
    found = 0
    cap = sighting.cap
    tiny = cap is not None and (cap <= 0 or (cap <= _TINY_CAP and sighting.input_tokens <= _TINY_TOKENS))
    if tiny or sighting.empty:
        found |= _PROBE
    operation = sighting.operation
    if operation is _LIST:
        found |= _LISTING
    elif operation is _MAKES_IMAGE:
        found |= _IMAGE
    if sighting.tools:
        found |= _TOOLS
    if sighting.forwarded > sighting.believed:
        found |= _SPOOFED
    return found | _shown(sighting)


def _shown(sighting: Sighting) -> int:
    found = 0
    if int(sighting.network) & _HIDDEN:
        found |= _ANONYMOUS
    if sighting.agent_family == _BROWSERS:
        found |= _BROWSER
    sdk = sighting.sdk
    if sdk and ("origin", "") in sdk and ("referer", "") in sdk:
        found |= _RESIDUE
    return found


def _outcome(sighting: Sighting) -> int:
    found = _BLOCKED if sighting.blocked else 0
    if sighting.status >= _FIRST_FAILURE:
        found |= _FAILED
        reason = sighting.reason
        if reason and sighting.phase is _WHOLE:
            found |= _REFUSED
            if reason in _UNPROVEN_REASONS:
                found |= _UNPROVEN
            elif reason in _DEAD_REASONS:
                found |= _DEAD_KEY
    return found


def _novelty(sighting: Sighting, habit: HabitView) -> int:
    shown = shown_of(sighting)
    found = habit.compared(shown)
    if found == UNCOMPARED:
        found = _compared(sighting, habit)
        habit.remember(shown, found)
    system = sighting.system_hash
    return found | _rarity(habit.weight(_SYSTEM, system), _NEW_SYSTEM) if system else found


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


def _rarity(weight: float, new: int) -> int:
    if weight >= YOUNG:
        return 0
    return _YOUNG if weight else new | _YOUNG


def _compared(sighting: Sighting, habit: HabitView) -> int:
    """Return what of a sighting is new or young on its key."""
    found = _new_wishes(sighting, habit)
    context = habit.weight(_CONTEXT, sighting.context)
    if not context:
        found |= _new_client(sighting, habit) | _new_network(sighting, habit)
    if context < YOUNG:
        found |= _YOUNG
    if habit.weight(Dimension.HOUR, _HOURS[sighting.at // _HOUR % 24]) < _RARE_HOUR:
        found |= _NEW_HOUR
    return found


def _new_wishes(sighting: Sighting, habit: HabitView) -> int:
    cap = str(sighting.cap) if sighting.cap is not None else "none"
    found = _rarity(habit.weight(Dimension.CAP, cap), _NEW_CAP)
    if sighting.model:
        found |= _rarity(habit.weight(Dimension.MODEL, sighting.model), _NEW_MODEL)
    if sighting.api_version:
        found |= _rarity(habit.weight(Dimension.API_VERSION, sighting.api_version), _NEW_API_VERSION)
    if not habit.weight(Dimension.OPERATION, sighting.operation.value):
        found |= _NEW_OPERATION
    for modality in sighting.modalities:
        if not habit.weight(Dimension.MODALITY, modality.value):
            found |= _NEW_MODALITY
    return found


def _new_client(sighting: Sighting, habit: HabitView) -> int:
    found = 0
    for trait, dimension, value in (
        (_NEW_PREFIX, Dimension.PREFIX, sighting.prefix),
        (_NEW_COUNTRY, Dimension.COUNTRY, sighting.country),
        (_NEW_CONTEXT, _CONTEXT, sighting.context),
        (_NEW_AGENT, Dimension.AGENT, sighting.agent_family),
        (_NEW_CLIENT, Dimension.JA4, sighting.ja4),
        (_NEW_CLIENT, Dimension.HEADERS, sighting.header_hash),
    ):
        if value:
            found |= _rarity(habit.weight(dimension, value), trait)
    return found


def _new_network(sighting: Sighting, habit: HabitView) -> int:
    found = 0
    if sighting.asn and not habit.weight(Dimension.ASN, str(sighting.asn)):
        found |= _NEW_ASN
    if not habit.weight(Dimension.NETWORK_CLASS, str(int(sighting.network))):
        found |= _NEW_NETWORK_CLASS
    return found
