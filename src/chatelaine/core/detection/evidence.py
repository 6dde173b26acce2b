"""The evidence engine: it weighs, request by request, whether somebody else uses a key.

Whatever a key shows in contexts that are known teaches its habits. What comes from a client that is new on
the key, or from a network that is, is an episode: its requests are compared with the habits, in nats of
likelihood ratio, and teach nothing until it has settled. After 1, 2, 3, 5, 10, 20 … 1,000 requests the
episode is weighed, and the scale tells how many false alarms so much evidence would mean.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from chatelaine.core.detection.evidence_dump import mapping, numbers, part, plain
from chatelaine.core.detection.evidence_habit import REPEATED, Crowd, Value
from chatelaine.core.detection.evidence_key import SYSTEMS, UNWEIGHED, Episode, KeyState
from chatelaine.core.detection.evidence_link import Links
from chatelaine.core.detection.evidence_prior import BASE, HAZARD, WEIGHTS
from chatelaine.core.detection.evidence_said import MOST, Weight, by_family, reasons
from chatelaine.core.detection.evidence_scale import Scale
from chatelaine.core.detection.evidence_terms import Linked, terms
from chatelaine.core.detection.evidence_view import (
    ASKED,
    DIGITS,
    HOUR,
    UNIQUE,
    WEIGHED_AS,
    Dim,
    asked,
    client_of,
    outcome,
)
from chatelaine.model.detection import Dimension, Phase, Sighting

_ENDED: Final = Phase.ENDED
_WHOLE: Final = Phase.WHOLE
_ADMIN: Final = Phase.ADMIN
"""A member of an enumeration costs two look-ups to reach, a constant none."""
CHECKPOINTS: Final = frozenset((1, 2, 3, 5, 10, 20, 30, 60, 100, 200, 300, 600, 1000))
LAST: Final = 1000
"""Requests after which an episode gathers no more evidence."""
ENOUGH: Final = 10
"""Requests after which an episode that speaks for the owner settles."""
HARMLESS: Final = -1.5
PLAIN: Final = -0.5
"""Scores under which an episode settles at once, and after ``PATIENCE``."""
PATIENCE: Final = 48
FORGOTTEN: Final = 168
"""Hours until an episode settles where it is not alarming, and where nobody cared."""
ALARMING: Final = -0.7
"""The score from which on a peak does not teach the scale: five false alarms in a thousand key-days."""
KEYS: Final = 100_000
CROWD: Final = 20_000
TOKENS: Final = 200_000
FRESH: Final = 50_000
"""How many keys, values of a dimension, prefixes and fresh tokens are remembered."""
FADES: Final = 60
"""Days after which nothing of the scale's window is left."""


class Engine:
    """The state machine: sightings in, weights out."""

    def __init__(self) -> None:
        self.keys: dict[str, KeyState] = {}
        self.crowd = [Crowd(CROWD, UNIQUE.get(dim, 0.0)) for dim in Dim]
        self.prefixes = Links(TOKENS)
        self.fresh = Links(FRESH)
        self.scale = Scale(BASE, HAZARD, ALARMING)
        self.day = -1

    def weigh(self, s: Sighting) -> Weight | None:
        """Take a sighting; return the evidence where an episode was weighed anew."""
        if s.phase is _ADMIN or not s.key:
            return None
        key = self.keys.get(s.key)
        if key is None:
            key = self._meet(s)
        hour = s.at // HOUR
        if hour > key.hour:
            self._turn(s.key, key, hour)
        client = client_of(s)
        ident = key.episode_of(s, client)
        if ident == s.asn and key.roams() and self.prefixes.established(s.prefix, key.owner, hour):
            ident = None
        if s.phase is _ENDED:
            return self._ended(key, s, ident)
        place: Value = s.context if ident is None else ident
        before = key.follow(s.chain[:DIGITS], s.parent_chain[:DIGITS], place) if s.chain else None
        values = asked(s, client, goes_on=before is not None)
        if ident is None:
            self._known(key, s, values, before)
            return None
        return self._foreign(key, s, values, (ident, before))

    def freeze(self, key: str) -> None:
        """Let a key's traffic teach nothing while an incident on it is open."""
        if key in self.keys:
            self.keys[key].frozen = True

    def thaw(self, key: str) -> None:
        """Let a key's traffic teach again."""
        if key in self.keys:
            self.keys[key].frozen = False

    def expect(self, name: str, owner: str, expected: Iterable[tuple[Dimension, str]]) -> None:
        """Take values for a key's own before they are seen: its owner declared them."""
        key = self._hold(name, KeyState(owner or name))
        for dimension, value in expected:
            if dimension in WEIGHED_AS:
                key.habits[WEIGHED_AS[dimension]].counts[value] = [1, REPEATED]

    def oldest(self) -> str:
        """Return the key that began its last active hour before all others; "" where there is none."""
        return next(iter(self.keys), "")

    def forget(self, key: str) -> None:
        """Drop what is held of a key: it is kept elsewhere."""
        self.keys.pop(key, None)

    def admit(self, key: str) -> None:
        """Take all that is new on a key for the owner's: a human said so."""
        state = self.keys.get(key)
        for ident in list(state.episodes) if state else ():
            self._settle(self.keys[key], ident)

    # State

    def dump(self) -> dict[str, object]:
        """Return the whole state in builtins: what ``load`` takes up again."""
        return {"keys": {name: key.dump() for name, key in self.keys.items()}, **self.dump_rest()}

    def dump_key(self, name: str) -> dict[str, object] | None:
        """Return the state of one key, or None where there is none."""
        key = self.keys.get(name)
        return key.dump() if key is not None else None

    def dump_rest(self) -> dict[str, object]:
        """Return the state of all that is not of one key."""
        return {
            "crowd": [crowd.dump() for crowd in self.crowd],
            "prefixes": self.prefixes.dump(),
            "fresh": self.fresh.dump(),
            "scale": self.scale.dump(),
            "day": [self.day],
        }

    def load(self, state: Mapping[str, object]) -> None:
        """Take up a state that was dumped.

        Raises:
            ValueError: it is no such state.
        """
        self.load_keys(mapping(state.get("keys")))
        self.load_rest(state)

    def load_keys(self, keys: Mapping[str, object]) -> None:
        """Take up the states of keys."""
        self.keys |= {name: KeyState.load(key) for name, key in keys.items()}

    def load_rest(self, state: Mapping[str, object]) -> None:
        """Take up the state of all that is not of one key."""
        for crowd, one in zip(self.crowd, part(state, "crowd"), strict=True):
            crowd.load(plain(one))
        self.prefixes.load(state.get("prefixes"))
        self.fresh.load(state.get("fresh"))
        self.scale.load(part(state, "scale"))
        self.day = int(numbers(part(state, "day"), 0, 1)[0])

    # Time

    def _meet(self, s: Sighting) -> KeyState:
        return self._hold(s.key, KeyState(s.owner or s.key))

    def _hold(self, name: str, key: KeyState) -> KeyState:
        if len(self.keys) >= KEYS:
            del self.keys[next(iter(self.keys))]
        self.keys[name] = key
        return key

    def _turn(self, name: str, key: KeyState, hour: int) -> None:
        day = hour // 24
        if day > self.day:
            for _ in range(min(FADES, day - self.day) if self.day >= 0 else 0):
                self.scale.fade()
            self.day = day
            self.scale.settle()
        if day > key.day:
            if key.day >= 0 and not key.frozen:
                self.scale.note(key.peak)
            key.day, key.peak = day, UNWEIGHED
        key.turn(hour)
        self.keys[name] = self.keys.pop(name)
        if key.episodes and not key.frozen:
            for ident, episode in list(key.episodes.items()):
                if self._is_over(episode, hour):
                    self._settle(key, ident)

    def _is_over(self, episode: Episode, hour: int) -> bool:
        age = hour - episode.begun
        return age > FORGOTTEN or (age > PATIENCE and self.scale.score(episode.raw) < PLAIN)

    def _settle(self, key: KeyState, ident: Value) -> None:
        episode = key.episodes.pop(ident)
        for prefix in episode.prefixes:
            self._learn_new(key, Dim.PREFIX, prefix)
        if isinstance(ident, str) and ident:
            self._learn_new(key, Dim.CLIENT, ident)

    def _learn_new(self, key: KeyState, dim: Dim, value: Value) -> None:
        habit = key.habits[dim]
        if value not in habit.counts:
            habit.bear(value, key.hour)

    # What is known

    def _known(self, key: KeyState, s: Sighting, values: tuple[Value, ...], before: Value | None) -> None:
        if before is not None and before != s.context:
            key.moves += 0.0 if key.frozen else 1.0
            other = key.episodes.get(before)
            if other is not None:
                other.moves += 1
        if key.frozen:
            return
        if not key.now:
            self._spread(values, 0)
        key.now += 1
        key.asked += 1
        key.turns += values[Dim.TURN] == 1
        if values[0] not in key.habits[Dim.PREFIX].counts:
            self.prefixes.note(s.prefix, key.owner, key.hour)
        self._learn(key, values, 0)
        if s.phase is _WHOLE:
            self._close(key, s)

    def _close(self, key: KeyState, s: Sighting) -> None:
        values = outcome(s)
        if not key.replies:
            self._spread(values, ASKED)
        key.replies += 1
        key.ended += 1
        key.spent += s.cost
        self._learn(key, values, ASKED)

    def _spread(self, values: tuple[Value, ...], begin: int) -> None:
        for crowd, value in zip(self.crowd[begin:], values, strict=False):
            crowd.learn(value)

    def _learn(self, key: KeyState, values: tuple[Value, ...], begin: int) -> None:
        hour, at = key.hour, begin
        for counts, value in zip(key.replied if begin else key.shown, values, strict=True):
            entry = counts.get(value)
            if entry is None:
                key.habits[at].bear(value, hour)
            else:
                entry[0] += 1
                if entry[1] >= 0 and entry[1] != hour:
                    key.habits[at].repeat(entry)
            at += 1

    def _ended(self, key: KeyState, s: Sighting, ident: Value | None) -> Weight | None:
        episode = None if ident is None else key.episodes.get(ident)
        if episode is not None and ident is not None:
            if episode.ended < LAST:
                self._gather_outcome(key, episode, s)
                if episode.ended in CHECKPOINTS:
                    values = asked(s, client_of(s), goes_on=False) + outcome(s)
                    return self._judge(key, s, ident, values)
        elif not key.frozen:
            self._close(key, s)
        return None

    # What is not

    def _foreign(
        self, key: KeyState, s: Sighting, values: tuple[Value, ...], where: tuple[Value, Value | None]
    ) -> Weight | None:
        ident, before = where
        episode = key.episodes.get(ident)
        if episode is None:
            episode = key.episodes[ident] = Episode(key.hour)
        if before is not None:
            episode.turns += 1
            episode.moves += before != ident
        if episode.count >= LAST:
            return None
        self._gather(key, episode, values)
        if s.phase is _WHOLE:
            self._gather_outcome(key, episode, s)
            values += outcome(s)
        return self._judge(key, s, ident, values) if episode.count in CHECKPOINTS else None

    def _gather(self, key: KeyState, episode: Episode, values: tuple[Value, ...]) -> None:
        hours, total, sums = key.lived, key.asked, episode.asked
        for at, value in enumerate(values):
            sums[at] += key.habits[at].surprise(value, self.crowd[at].share(value), hours, total)
        self._gather_system(key, episode, str(values[Dim.SYSTEM]))
        episode.count += 1
        episode.enter(key.hour)
        episode.now += 1
        prefix = str(values[Dim.PREFIX])
        episode.remember(str(values[Dim.AGENT]), prefix)
        self.prefixes.note(prefix, key.owner, key.hour)
        self.fresh.note(token(values), key.owner, key.hour)

    def _gather_system(self, key: KeyState, episode: Episode, system: str) -> None:
        habit = key.habits[Dim.SYSTEM]
        if not system or system in habit.counts:
            return
        if system in episode.systems:
            surprise = habit.surprise(system, self.crowd[Dim.SYSTEM].unique, key.lived, key.asked)
            episode.asked[Dim.SYSTEM] += max(0.0, habit.echo(key.asked) - surprise)
        elif len(episode.systems) < SYSTEMS:
            episode.systems[system] = None
            self.fresh.note(f"s{system}", key.owner, key.hour)

    def _gather_outcome(self, key: KeyState, episode: Episode, s: Sighting) -> None:
        sums = episode.outcome
        for at, value in enumerate(outcome(s)):
            dim = at + ASKED
            share = self.crowd[dim].share(value)
            sums[at] += key.habits[dim].surprise(value, share, key.lived, key.ended)
        episode.ended += 1
        episode.enter(key.hour)
        episode.cost += s.cost

    def _judge(self, key: KeyState, s: Sighting, ident: Value, values: tuple[Value, ...]) -> Weight:
        episode = key.episodes[ident]
        found = terms(key, episode, self._links(key, s, episode, values))
        weighed = [weight * nats for weight, nats in zip(WEIGHTS, found, strict=True)]
        raw = sum(weighed)
        score = self.scale.score(raw)
        episode.raw = raw
        key.peak = max(key.peak, raw)
        if score < HARMLESS and episode.count >= ENOUGH and not key.frozen:
            self._settle(key, ident)
        told = reasons(key, episode, weighed, values) if score >= HARMLESS else ()
        against = tuple(one for one in reversed(told) if one[1] < 0)
        told = tuple(one for one in told if one[1] > 0)
        return Weight(score, raw, episode.count, by_family(weighed), told[:MOST], against[:MOST])

    def _links(self, key: KeyState, s: Sighting, episode: Episode, values: tuple[Value, ...]) -> Linked:
        owner, hour, fresh = key.owner, key.hour, self.fresh
        prefix, old = self.prefixes.others(s.prefix, owner, hour)
        system = max((fresh.others(f"s{one}", owner, hour)[0] for one in episode.systems), default=0)
        client = fresh.others(token(values), owner, hour)[0]
        return prefix, system, client, old


def token(values: tuple[Value, ...]) -> str:
    """Return what links a client to itself on other keys: its agent, its client and its network."""
    return f"{values[Dim.AGENT]} {values[Dim.CLIENT]} {values[Dim.ASN]}"
