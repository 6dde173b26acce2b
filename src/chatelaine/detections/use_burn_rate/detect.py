"""Find hours that cost more than a key's days do, and budgets that are used up."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent, tell, with_numbers
from chatelaine.core.detection.scene import Scene, at_home
from chatelaine.model.detection import Card, Measure, Said, Severity
from chatelaine.model.exchange import EndReason, RefusalReason
from chatelaine.model.words import SECOND

_USD: Final = 1e9
_USED_UP: Final = frozenset({RefusalReason.BUDGET_DAY, RefusalReason.BUDGET_MONTH, EndReason.BUDGET_CUT})


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where an hour costs more than a day, or a budget is gone."""
    seen, habit, limits = scene.sighting, scene.habit, card.thresholds
    used_up = bool(seen.reason) and seen.reason in _USED_UP
    if not seen.cost and not used_up:
        return memory, None
    begun, cost, strange = memory.numbers or (seen.at, 0.0, 0.0)
    if seen.at - begun >= limits["seconds"] * SECOND:
        begun, cost, strange = seen.at, 0.0, 0.0
    # Habits are not asked before it matters: a tenth of what is looked at counts as the owner's.
    stranger = cost >= limits["usd"] * _USD / 10 and not at_home(scene)
    cost, strange = cost + seen.cost, strange + stranger * seen.cost
    memory = with_numbers(memory, (begun, cost, strange))
    if cost < limits["usd"] * _USD and not used_up:
        return memory, None
    day = habit.high(Measure.COST_A_DAY, limits["deviations"])
    known = habit.measured(Measure.COST_A_DAY) >= limits["days"]
    burning = known and cost > max(limits["factor"] * day, limits["usd"] * _USD)
    if not (burning or used_up) or silent(memory, seen.at, seconds=limits["seconds"]):
        return memory, None
    by_strangers = strange > cost / 2
    if by_strangers and not stranger:
        # What is said is to stand beside the client that it is about.
        return memory, None
    many = Severity.HIGH if known and cost > limits["many"] * max(day, _USD) else None
    minutes = (seen.at - begun) / SECOND / 60
    said = Said(
        seen=f"{cost / _USD:,.2f} USD within {minutes:.0f} min"
        + ("; the budget is used up" if used_up else ""),
        usual=f"{habit.mean(Measure.COST_A_DAY) / _USD:,.2f} USD a day, at most {day / _USD:,.2f}",
        against="a batch job of the owner burns as fast",
        severity=many if by_strangers or used_up else Severity.LOW,
    )
    return tell(memory, seen.at), said
