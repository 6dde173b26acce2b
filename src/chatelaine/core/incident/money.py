"""What an incident costs: counted exchange by exchange of its foreign client, and told in three sums."""

from typing import Final

from msgspec.structs import replace

from chatelaine.model.detection import Phase, Sighting
from chatelaine.model.incident import Incident, Money, Reckoning
from chatelaine.model.words import NOTHING, SECOND, NanoUsd

_DAY: Final = 86_400 * SECOND
_SHORTEST: Final = 3_600 * SECOND
"""A rate is not told of less than an hour, or a first burst would be taken for a day of it."""


def foreign(incident: Incident, sighting: Sighting) -> bool:
    """Tell whether a sighting is of an incident's keys and client contexts, since its first finding."""
    return (
        sighting.at >= incident.first_at
        and sighting.key in incident.keys
        and sighting.context in incident.contexts
    )


def reckon(reckoning: Reckoning, sighting: Sighting) -> Reckoning:
    """Return what is counted with one more sighting of the foreign client; openings wait for their ends."""
    if sighting.phase not in {Phase.ENDED, Phase.WHOLE}:
        return reckoning
    # A refusal is seen whole and with its reason; a line of a log is seen whole and has a cost.
    refused = sighting.phase is Phase.WHOLE and sighting.reason != "" and not sighting.cost
    return replace(
        reckoning,
        served=reckoning.served + (not refused),
        refused=reckoning.refused + refused,
        spent=NanoUsd(reckoning.spent + sighting.cost),
        first_at=min(reckoning.first_at, sighting.at) if reckoning.first_at else sighting.at,
        last_at=max(reckoning.last_at, sighting.at),
    )


def money(reckoning: Reckoning, *, day_left: NanoUsd | None, held: bool) -> Money:
    """Return an incident's money.

    Args:
        reckoning: what was counted.
        day_left: what is left of the day budgets of its keys; None where a key has none.
        held: whether the foreign client is held back: then nothing is at risk.
    """
    mean = reckoning.spent // reckoning.served if reckoning.served else 0
    at_risk = NOTHING if held else (day_left if day_left is not None else _a_day_of(reckoning))
    return Money(reckoning.spent, at_risk, NanoUsd(mean * reckoning.refused))


def _a_day_of(reckoning: Reckoning) -> NanoUsd:
    span = max(reckoning.last_at - reckoning.first_at, _SHORTEST)
    return NanoUsd(reckoning.spent * _DAY // span)
