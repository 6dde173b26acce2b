"""The rota: which upstream is next, by weight, passing over those that are broken or resting."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chatelaine.model.words import SECOND, UpstreamName

_PATIENCE = 5
"""Failures in a row that open the circuit."""
_FIRST_REST = 2 * SECOND
_LONGEST_REST = 60 * SECOND
_LONGEST_ASKED_REST = 600 * SECOND
"""A retry-after beyond this is not believed."""


@dataclass(slots=True)
class _Standing:
    """How one upstream stands."""

    weight: int
    credit: int = 0
    failures: int = 0
    resting_until: int = 0


class Rota:
    """Smooth weighted round-robin (the turns of a heavy upstream are spread out) with circuit breaking.

    Instants are nanoseconds of a clock that never jumps.
    """

    def __init__(self, weights: Mapping[UpstreamName, int]) -> None:
        self._standing = {name: _Standing(weight) for name, weight in weights.items()}

    def replace(self, weights: Mapping[UpstreamName, int]) -> None:
        """Take over new weights; what is known of an upstream that stays is kept."""
        old = self._standing
        self._standing = {name: old.get(name, _Standing(weight)) for name, weight in weights.items()}
        for name, weight in weights.items():
            self._standing[name].weight = weight

    def order(self, names: tuple[UpstreamName, ...], now: int) -> tuple[UpstreamName, ...]:
        """Return the upstreams to try, the one whose turn it is first.

        Resting ones come last: when all rest, trying one is better than refusing everybody, and it
        is how a circuit closes again.
        """
        if len(names) < 2:  # noqa: PLR2004 - one is no choice
            return names
        awake = [name for name in names if self._standing[name].resting_until <= now]
        resting = [name for name in names if self._standing[name].resting_until > now]
        if not awake:
            return tuple(sorted(resting, key=lambda name: self._standing[name].resting_until))
        chosen = self._take_turn(awake)
        return (chosen, *(name for name in awake if name != chosen), *resting)

    def _take_turn(self, awake: Iterable[UpstreamName]) -> UpstreamName:
        standings = {name: self._standing[name] for name in awake}
        for standing in standings.values():
            standing.credit += standing.weight
        chosen = max(standings, key=lambda name: standings[name].credit)
        standings[chosen].credit -= sum(standing.weight for standing in standings.values())
        return chosen

    def succeeded(self, name: UpstreamName) -> None:
        """Note that an upstream answered."""
        standing = self._standing.get(name)
        if standing is not None and standing.failures:
            standing.failures = 0

    def failed(self, name: UpstreamName, now: int) -> bool:
        """Note that an upstream could not be reached or broke off; return whether it now rests."""
        standing = self._standing.get(name)
        if standing is None:
            return False
        standing.failures += 1
        if standing.failures < _PATIENCE:
            return False
        rest = min(_FIRST_REST << min(standing.failures - _PATIENCE, 8), _LONGEST_REST)
        standing.resting_until = now + rest
        return True

    def asked_to_wait(self, name: UpstreamName, now: int, seconds: int) -> None:
        """Honour an upstream's retry-after: others take its turns until then."""
        standing = self._standing.get(name)
        if standing is not None:
            standing.resting_until = now + min(max(seconds, 0) * SECOND, _LONGEST_ASKED_REST)

    def resting(self, now: int) -> tuple[UpstreamName, ...]:
        """Return the upstreams that rest at present."""
        return tuple(name for name, standing in self._standing.items() if standing.resting_until > now)
