"""What the evidence engine keeps of a key: habits, conversations, and episodes of what is not yet known."""

from typing import Final
from zlib import crc32

from chatelaine.core.detection.evidence_dump import Plain, mapping, numbers, part, plain, texts_or_numbers
from chatelaine.core.detection.evidence_habit import Habit, Value
from chatelaine.core.detection.evidence_view import ALL, ASKED, ROOM, Dim
from chatelaine.model.detection import Sighting

CHAINS: Final = 24
"""Conversations of a key that are remembered: the last ones."""
EPISODES: Final = 8
"""Open episodes of a key; strangers beyond them share one."""
STRAYS: Final = ""
"""The episode of clients that found no room of their own."""
NOWHERE: Final = -1
"""The episode of a known client in networks the key never used."""
SLOWLY: Final = 0.995
"""What an active hour leaves of the busiest one: half is forgotten in 140."""
HALVING: Final = 4096
"""So many observations, and all counts are halved."""
PREFIXES: Final = 8
SYSTEMS: Final = 8
AGENTS: Final = 16
"""How many different ones an episode remembers."""
COLD: Final = 4
FEW: Final = 50
"""Active hours until a key has habits, or requests in more hours than one."""
ROAMING: Final = 0.1
"""The share of active hours with a prefix never seen, from which on a key is said to roam."""
REQUESTS: Final = 100
"""So many requests say as much as one more active hour."""
UNWEIGHED: Final = -99.0


class Episode:
    """Requests of one client that is new on a key, or of a known one from networks that are."""

    __slots__ = (
        "agents", "asked", "begun", "cost", "count", "ended", "hour", "moves", "now", "outcome", "prefixes",
        "raw", "systems", "turns",
    )  # fmt: skip

    def __init__(self, hour: int) -> None:
        self.begun = self.hour = hour
        self.asked = [0.0] * ASKED
        """Surprise summed over its requests, by dimension."""
        self.outcome = [0.0] * (ALL - ASKED)
        self.count = self.ended = 0
        self.now = self.cost = 0
        """Requests and billionths of a dollar in its current hour."""
        self.moves = self.turns = 0
        """Steps of conversations: shared with known contexts, and all."""
        self.agents: dict[int, None] = {}
        self.prefixes: dict[str, None] = {}
        self.systems: dict[str, None] = {}
        self.raw = UNWEIGHED

    def enter(self, hour: int) -> None:
        """Begin another hour."""
        if hour != self.hour:
            self.hour, self.now, self.cost = hour, 0, 0

    def remember(self, agent: str, prefix: str) -> None:
        """Remember what it showed, as far as there is room."""
        if len(self.agents) < AGENTS:
            self.agents[crc32(agent.encode(errors="replace"))] = None
        if len(self.prefixes) < PREFIXES:
            self.prefixes[prefix] = None

    def dump(self) -> Plain:
        """Return its state in builtins."""
        counts = [self.begun, self.hour, self.count, self.ended, self.now, self.cost, self.moves, self.turns]
        sums = [self.raw, *self.asked, *self.outcome]
        return [counts, sums, list(self.agents), list(self.prefixes), list(self.systems)]

    @classmethod
    def load(cls, state: Plain) -> "Episode":
        """Return the episode that a dump holds."""
        counts, sums, agents, prefixes, systems = (plain(one) for one in state)
        episode = cls(0)
        (episode.begun, episode.hour, episode.count, episode.ended, episode.now, episode.cost) = (
            int(x) for x in numbers(counts, 0, 6)
        )
        episode.moves, episode.turns = (int(x) for x in numbers(counts, 6, 8))
        (episode.raw,) = numbers(sums, 0, 1)
        episode.asked = numbers(sums, 1, 1 + ASKED)
        episode.outcome = numbers(sums, 1 + ASKED, 1 + ALL)
        episode.agents = dict.fromkeys(int(x) for x in texts_or_numbers(agents))
        episode.prefixes = dict.fromkeys(str(x) for x in prefixes)
        episode.systems = dict.fromkeys(str(x) for x in systems)
        return episode


class KeyState:
    """All that is kept of a key."""

    __slots__ = (
        "asked", "busiest", "chains", "day", "dearest", "ended", "episodes", "frozen", "habits", "hour",
        "hours", "moves", "now", "owner", "peak", "replied", "replies", "shown", "spent", "turns",
    )  # fmt: skip

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.habits = [Habit(room) for room in ROOM]
        # The loop over all dimensions is the engine's hottest: it goes over the tables themselves.
        self.shown = [habit.counts for habit in self.habits[:ASKED]]
        self.replied = [habit.counts for habit in self.habits[ASKED:]]
        self.asked = self.ended = 0
        """How many requests, and replies, the habits were learnt from."""
        self.hour = self.day = -1
        self.hours = 0
        """How many hours it was active in."""
        self.now = self.replies = self.spent = 0
        """Requests, replies and billionths of a dollar in the current hour, of known contexts."""
        self.busiest = self.dearest = 0.0
        """The same in the busiest and the dearest hour, slowly forgotten."""
        self.chains: dict[str, Value] = {}
        """Where each conversation was last: a known context, or an episode."""
        self.moves = self.turns = 0.0
        """Steps of conversations between known contexts, and all."""
        self.episodes: dict[Value, Episode] = {}
        self.frozen = False
        self.peak = UNWEIGHED
        """The strongest evidence of the day."""

    def turn(self, hour: int) -> None:
        """Begin another active hour."""
        self.busiest = max(self.busiest * SLOWLY, self.now)
        self.dearest = max(self.dearest * SLOWLY, self.spent)
        self.now = self.replies = self.spent = 0
        self.hour = hour
        self.hours += 1
        if self.asked > HALVING:
            self.asked, self.ended = self.asked >> 1, self.ended >> 1
            self.moves, self.turns = self.moves / 2, self.turns / 2
            for habit in self.habits:
                habit.halve()

    def follow(self, chain: str, parent: str, place: Value) -> Value | None:
        """Note a conversation's step at a place; return the place of the step before."""
        chains = self.chains
        before = chains.pop(chain, None)
        if before is None and parent:
            before = chains.pop(parent, None)
        if len(chains) >= CHAINS:
            del chains[next(iter(chains))]
        chains[chain] = place
        return before

    @property
    def lived(self) -> float:
        """Return the active hours that its habits stand for; many requests in few hours add some."""
        return self.hours + self.asked / REQUESTS

    def roams(self) -> bool:
        """Tell whether it comes from new prefixes all the time, as behind an edge network or on runners."""
        return self.habits[Dim.PREFIX].newness(self.lived) > ROAMING

    def episode_of(self, s: Sighting, client: str) -> Value | None:
        """Return which episode a context belongs to; None where it is known."""
        habits = self.habits
        if self.hours <= COLD and (self.hours == 1 or self.asked < FEW):
            return None
        if client not in habits[Dim.CLIENT].counts:
            roomy = len(self.episodes) < EPISODES or client in self.episodes
            return client if roomy else STRAYS
        if s.prefix not in habits[Dim.PREFIX].counts:
            return s.asn if s.asn in habits[Dim.ASN].counts else NOWHERE
        return None

    def dump(self) -> dict[str, object]:
        """Return its state in builtins."""
        counts = [
            self.asked,
            self.ended,
            self.hour,
            self.day,
            self.hours,
            self.now,
            self.spent,
            int(self.frozen),
            self.replies,
        ]
        return {
            "owner": self.owner,
            "counts": counts,
            "rates": [self.busiest, self.dearest, self.moves, self.turns, self.peak],
            "chains": [x for pair in self.chains.items() for x in pair],
            "habits": [habit.dump() for habit in self.habits],
            "episodes": [[ident, episode.dump()] for ident, episode in self.episodes.items()],
        }

    @classmethod
    def load(cls, state: object) -> "KeyState":
        """Return the key's state that a dump holds."""
        named = mapping(state)
        key = cls(str(named.get("owner", "")))
        whole = [int(x) for x in numbers(part(named, "counts"), 0, 9)]
        (key.asked, key.ended, key.hour, key.day, key.hours, key.now, key.spent) = whole[:7]
        key.frozen, key.replies = bool(whole[7]), whole[8]
        rates = numbers(part(named, "rates"), 0, 5)
        key.busiest, key.dearest, key.moves, key.turns, key.peak = rates
        chains = texts_or_numbers(part(named, "chains"))
        key.chains = {str(chains[at]): chains[at + 1] for at in range(0, len(chains) - 1, 2)}
        for habit, one in zip(key.habits, part(named, "habits"), strict=True):
            habit.load(plain(one))
        for one in part(named, "episodes"):
            ident, episode = plain(one)
            key.episodes[texts_or_numbers([ident])[0]] = Episode.load(plain(episode))
        return key
