"""Links: what one foreign client leaves on keys of owners who have nothing to do with each other."""

from math import log
from typing import Final

from chatelaine.core.detection.evidence_dump import mapping

WEEK: Final = 168
"""Hours; a link is fresh for so long, and what is older is established."""
OWNERS: Final = 8
"""So many owners are remembered for a token; more make it no more common."""
ESTABLISHED: Final = 4
"""A prefix that so many other owners have used for more than a week is shared: an edge network, a runner."""
STRONGEST: Final = 6.0
"""Nats."""


class Links:
    """On which owners' keys a token (a prefix, a client, a prompt) was first seen, and in which hour."""

    __slots__ = ("room", "seen")

    def __init__(self, room: int) -> None:
        self.seen: dict[str, dict[str, int]] = {}
        self.room = room

    def note(self, token: str, owner: str, hour: int) -> None:
        """Remember that an owner's key shows a token."""
        owners = self.seen.get(token)
        if owners is None:
            if len(self.seen) >= self.room:
                del self.seen[next(iter(self.seen))]
            self.seen[token] = {owner: hour}
        elif owner not in owners and len(owners) < OWNERS:
            owners[owner] = hour

    def others(self, token: str, owner: str, hour: int) -> tuple[int, int]:
        """Return how many other owners showed a token first within the week, and how many before."""
        owners = self.seen.get(token)
        if not owners:
            return 0, 0
        fresh = sum(hour - since < WEEK for other, since in owners.items() if other != owner)
        return fresh, len(owners) - (owner in owners) - fresh

    def established(self, token: str, owner: str, hour: int) -> bool:
        """Tell whether many others have long used it."""
        owners = self.seen.get(token)
        if owners is None or len(owners) < ESTABLISHED:
            return False
        return self.others(token, owner, hour)[1] >= ESTABLISHED

    def dump(self) -> dict[str, object]:
        """Return its state in builtins."""
        return {token: dict(owners) for token, owners in self.seen.items()}

    def load(self, state: object) -> None:
        """Take the state that a dump holds."""
        self.seen = {
            token: {owner: hour for owner, hour in mapping(owners).items() if isinstance(hour, int)}
            for token, owners in mapping(state).items()
        }


def linked(count: int, expected: float) -> float:
    """Return the logarithm of how much likelier one actor leaves so many links than chance does."""
    return min(STRONGEST, count * log(max(1.0, count / expected))) if count else 0.0
