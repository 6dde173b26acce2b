"""The terms: what an episode says for and against its being the owner, in nats, each of one family."""

from enum import IntEnum
from math import log
from typing import Final

from chatelaine.core.detection.evidence_key import Episode, KeyState
from chatelaine.core.detection.evidence_link import linked
from chatelaine.core.detection.evidence_view import Dim
from chatelaine.model.detection import Family
from chatelaine.model.words import SECOND


class Term(IntEnum):
    """One kind of evidence beyond those of ``Dim``, whose numbers go before."""

    JOIN = 19
    """Conversations it shares with the owner's known contexts: nobody else can."""
    ALONE = 20
    """Conversations it does not share, where the owner's contexts do."""
    AGENTS = 21
    """More agents behind one client than the whole key shows."""
    LINKED_PREFIX = 22
    """The prefix is as new on keys of other owners."""
    LINKED_SYSTEM = 23
    LINKED_CLIENT = 24
    """The same client with the same agent in the same network is."""
    SHARED = 25
    """The prefix was long used by other owners: an edge network, a vendor."""
    RATE = 26
    """Requests an hour, beside the owner's busiest."""
    COST = 27
    SCATTER = 28
    """More prefixes of one client than the whole key shows."""


TERMS: Final = 29

FAMILIES: tuple[Family, ...] = (
    *(Family.NETWORK,) * 4,
    *(Family.CLIENT,) * 3,
    Family.ECONOMICS,
    *(Family.BEHAVIOUR,) * 5,
    Family.CONTENT,
    *(Family.BEHAVIOUR,) * 2,
    Family.CONTENT,
    *(Family.ECONOMICS,) * 2,
    *(Family.BEHAVIOUR,) * 2,
    Family.CLIENT,
    Family.NETWORK,
    Family.CONTENT,
    Family.CLIENT,
    Family.NETWORK,
    Family.BEHAVIOUR,
    Family.ECONOMICS,
    Family.NETWORK,
)

DEPENDENT: Final = 0.25
"""How much requests of one episode say the same: n count as n / (1 + 0.25 (n - 1)), never more than 4."""
LOWEST: Final = -4.0
HIGHEST: Final = 8.0
"""Nats that one term weighs at least and at most."""
RATES: Final = 3.0
"""The same for rates: they are no evidence for the owner."""
CENT: Final = SECOND // 100
"""Billionths of a dollar in a cent."""
CHANCE_PREFIX: Final = 0.1
CHANCE_SYSTEM: Final = 0.1
CHANCE_CLIENT: Final = 0.5
"""How many links chance leaves in a week."""
MOST_TURNS: Final = 6
MOST_ALONE: Final = 6.0
"""Steps of conversations that count, and nats that they weigh at most."""

Linked = tuple[int, int, int, int]
"""Other owners with the same fresh prefix, prompt and client, and those that used the prefix long ago."""


def counted(requests: int) -> float:
    """Return as how many independent ones so many requests count."""
    return requests / (1.0 + DEPENDENT * (requests - 1)) if requests else 0.0


def terms(key: KeyState, episode: Episode, links: Linked) -> list[float]:
    """Return an episode's terms in the order of ``Dim`` and ``Term``."""
    found = []
    for sums, requests in ((episode.asked, episode.count), (episode.outcome, episode.ended)):
        scale = counted(requests) / max(1, requests)
        found += [LOWEST if x * scale < LOWEST else min(HIGHEST, x * scale) for x in sums]
    prefix, system, client, old = links
    return [
        *found,
        -float(min(episode.moves, 2)),
        alone(key, episode),
        above(len(episode.agents), max(1, len(key.habits[Dim.AGENT].counts))),
        linked(prefix, CHANCE_PREFIX),
        linked(system, CHANCE_SYSTEM),
        linked(client, CHANCE_CLIENT),
        -log(1.0 + old),
        above(episode.now + 1, key.busiest + 2),
        above(episode.cost + CENT, key.dearest + CENT),
        above(len(episode.prefixes), max(1, len(key.habits[Dim.PREFIX].counts))),
    ]


def alone(key: KeyState, episode: Episode) -> float:
    """Return what it says that no conversation is shared with known contexts, as the owner's are."""
    if episode.moves:
        return 0.0
    shared = min(0.95, key.moves / (key.turns + 1.0))
    return min(MOST_ALONE, min(episode.turns, MOST_TURNS) * -log(1.0 - shared))


def above(here: float, usual: float) -> float:
    """Return by how much something lies above the usual, as a bounded logarithm; less is no evidence."""
    return min(RATES, log(here / usual)) if here > usual > 0 else 0.0


def name_of(at: int) -> str:
    """Return the name of a term."""
    return (Dim(at).name if at < Term.JOIN else Term(at).name).lower()
