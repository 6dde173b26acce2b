"""The driver of the detection room: events in, findings and alerts out.

The gate's journals as they grow, the logs of last year and a test go through this same loop; what
differs is who feeds it. It reads no clock and asks nobody, so the same events always show the same.
Whatever it holds can be dumped and loaded, piece by piece, so that a hub that comes back goes on where
it was and finds the same again.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from chatelaine.core.detection.combine import Combiner, Rules
from chatelaine.core.detection.evidence import Engine
from chatelaine.core.detection.evidence_said import Weight
from chatelaine.core.detection.links import Links
from chatelaine.core.detection.links_kept import changes, take_up
from chatelaine.core.detection.pieces import (
    ASLEEP,
    BUILTINS,
    FROZEN,
    HABIT,
    MEMORIES,
    OPEN,
    PAST,
    REMEMBERED,
    WINDOWS,
)
from chatelaine.core.detection.run import Detection, Runner
from chatelaine.core.detection.scene import Scene, bits_of
from chatelaine.core.detection.sighting import Joiner
from chatelaine.core.key.declared import declared
from chatelaine.core.key.habit import Habit, load
from chatelaine.core.playbook.past import Past, Spent, load_past
from chatelaine.model.detection import Alert, Dimension, Finding, Phase, Severity, Sighting, Trait
from chatelaine.model.event import Event, IncidentChanged, IncidentOpened, KeyIssued
from chatelaine.model.incident import Found, IncidentState
from chatelaine.model.watch import Piece, PieceKind
from chatelaine.model.words import ContextId, Instant, KeyId, OwnerId

_UNKNOWN: Final = Habit()
"""The habit of what is no key of ours; it never learns."""
_UNLEARNT: Final = int(Trait.REFUSED | Trait.UNPROVEN | Trait.DEAD_KEY | Trait.CANARY | Trait.ADMIN)
"""What is not taken for the owner's way of using a key."""
_WEIGHED: Final = int(Trait.WEIGHED)
_OPENED: Final = Phase.OPENED
_ENDED: Final = Phase.ENDED
_WEIGHTY: Final = Severity.HIGH
"""On a thousand harmless key-days each of the shelf's medium findings comes up tens of times, and two of
them together still too often: they tell more of an alert, and make none."""
_CONFIRMED: Final = 1.7
"""The score of one false alarm in 50,000 key-days: with a second family it is enough to act."""
_AWAKE: Final = 50_000
"""Keys whose state is at hand; of all others it is kept packed, on the hub's disk."""
_OF_A_KEY: Final = (PieceKind.HABIT, PieceKind.PAST, PieceKind.WEIGHED, PieceKind.REMEMBERED)
_TAKEN_OVER: Final = frozenset({PieceKind.HABIT, PieceKind.WEIGHED})
"""What the key that takes another's place has of it."""
_RECENT: Final = 25_000
"""Exchanges that are over and at hand for the money of what comes into an incident."""


@dataclass(slots=True)
class Turn:
    """What a run of events showed: to be stored and answered at once."""

    findings: list[Finding] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    joined: list[Finding] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    """Of keys about which an alert stands."""
    weights: list[tuple[Sighting, Weight]] = field(default_factory=list)
    """Evidence that was weighed, also where it is too little to be found."""

    def __bool__(self) -> bool:
        return bool(self.findings or self.sightings)

    def found(self) -> Found:
        """Return it as the incident room takes it."""
        return Found(
            findings=tuple(self.findings),
            alerts=tuple(self.alerts),
            joined=tuple(self.joined),
            sightings=tuple(self.sightings),
        )


class Watch:
    """Watches a stream of events; it holds habits by key, and what the detections remember."""

    def __init__(self, detections: Iterable[Detection], awake: int = _AWAKE) -> None:
        held = tuple(detections)
        self._runner = Runner(held)
        self._combiner = Combiner(
            Rules(
                playbooks={one.card.id: one.card.playbook for one in held},
                weighty=_WEIGHTY,
                confirmed=_CONFIRMED,
            )
        )
        self._joiner = Joiner()
        self._links = Links()
        self._engine = Engine()
        self._habits: dict[KeyId, Habit] = {}
        self._changed: set[KeyId] = set()
        self._relearnt: set[KeyId] = set()
        self._canaries: set[KeyId] = set()
        self._frozen: dict[KeyId, str] = {}
        """Keys that learn nothing, and the incident that says so; its first alert until one is opened."""
        self._recent: deque[Sighting] = deque(maxlen=_RECENT)
        self._pasts: dict[KeyId, Past] = {}
        self._owned: dict[OwnerId, set[KeyId]] = {}
        self._awake = awake
        self._asleep: set[KeyId] = set()
        self._packed: dict[KeyId, bytes] = {}
        """What is held of keys that fell asleep since all was kept; in a hunt, of all that sleep."""
        self._woken: set[KeyId] = set()

    def take(self, event: Event, turn: Turn) -> None:
        """Add to a turn what an event shows; the end of what was never seen to open shows nothing."""
        sighting = self.sight(event)
        if sighting is not None:
            self.see(sighting, turn)

    def sight(self, event: Event) -> Sighting | None:
        """Return the sighting that is to be seen of an event, if any."""
        self._follow(event)
        return self._joiner.take(event)

    def see(self, sighting: Sighting, turn: Turn) -> None:
        """Add to a turn what a sighting shows, then learn from it."""
        key = sighting.key
        if key in self._asleep:
            self.wake(key, self._packed[key])
        habit = self._habits.get(key, _UNKNOWN)
        elsewhere = self._links.look(sighting)
        canary = key in self._canaries
        traits = bits_of(sighting, habit, elsewhere, canary=canary)
        learnt = bool(key) and not traits & _UNLEARNT
        weight = self._engine.weigh(sighting) if learnt else None
        if weight is not None:
            traits |= _WEIGHED
            turn.weights.append((sighting, weight))
        found = self._runner.run(Scene(sighting, traits, habit, elsewhere, weight))
        self._combine(found, turn)
        if key in self._frozen:
            turn.sightings.append(sighting)
        if key and sighting.phase is not _OPENED:
            self._recent.append(sighting)
        if learnt:
            self._learn(sighting, found)

    def _combine(self, found: Sequence[Finding], turn: Turn) -> None:
        """Combine what one sighting showed; of its alerts the last tells all that those before it told."""
        alert: Alert | None = None
        for finding in found:
            combined = self._combiner.take(finding)
            turn.findings.append(finding)
            if combined.alert is not None:
                alert = combined.alert
            elif combined.alerted and not combined.repeated:
                turn.joined.append(finding)
        if alert is not None:
            turn.alerts.append(alert)
            if alert.key and alert.actionable:
                self._freeze(alert.key, self._frozen.get(alert.key, alert.id))

    def _learn(self, sighting: Sighting, found: Sequence[Finding]) -> None:
        habit = self._habits.get(sighting.key)
        if habit is None:
            habit = self._habits[sighting.key] = Habit()
            self._make_room()
        self._changed.add(sighting.key)
        self._relearnt.add(sighting.key)
        self._past(sighting.key, sighting.owner).add(sighting)
        if found and sighting.phase is not _ENDED and _grave(found):
            habit.forget(sighting.context)
        habit.learn(sighting)

    def _past(self, key: KeyId, owner: OwnerId) -> Past:
        past = self._pasts.get(key)
        if past is None:
            past = self._pasts[key] = Past()
            self._owned.setdefault(owner, set()).add(key)
        return past

    # Freezing: no learning while an incident on a key is open (principle 5).

    def _follow(self, event: Event) -> None:
        """Take what the hub itself recorded: canaries, and incidents that open, grow and close."""
        if isinstance(event, KeyIssued):
            if event.canary:
                self._canaries.add(event.key)
            self._begin(event)
        elif isinstance(event, IncidentOpened):
            for key in event.keys:
                self._freeze(key, event.incident)
        elif isinstance(event, IncidentChanged):
            self._follow_incident(event)

    def _begin(self, event: KeyIssued) -> None:
        """Begin a key with the habit of the one it takes the place of, or with what its owner declared."""
        key, before = event.key, event.predecessor
        if key in self._habits or key in self._asleep:
            return
        if before is not None and before in self._habits:
            for piece in list(self._pieces_of(before)):
                if piece.kind in _TAKEN_OVER:
                    self._restore_key(piece, key)
            self._habits[key].frozen = False
            self._engine.thaw(key)
        else:
            expected = declared(event.grant)
            if not expected:
                return
            self._habits[key] = habit = Habit()
            habit.expect(event.at, expected)
            self._engine.expect(key, event.owner, expected)
        self._changed.add(key)
        self._make_room()

    def _follow_incident(self, event: IncidentChanged) -> None:
        """Take a step of an incident: an alert joined it, it became part of another, or it is over."""
        if event.alert:
            self._rename(event.alert, event.incident)
        if event.after is IncidentState.MERGED:
            self._rename(event.incident, event.merged_into)
        elif event.after is IncidentState.CLOSED:
            for key in [key for key, why in self._frozen.items() if why == event.incident]:
                self._thaw(key)

    def _rename(self, before: str, after: str) -> None:
        self._frozen = {key: after if why == before else why for key, why in self._frozen.items()}

    def _freeze(self, key: KeyId, why: str) -> None:
        self._frozen[key] = why
        self._engine.freeze(key)
        habit = self._habits.get(key)
        if habit is not None:
            habit.frozen = True
            self._changed.add(key)

    def _thaw(self, key: KeyId) -> None:
        del self._frozen[key]
        self._engine.thaw(key)
        habit = self._habits.get(key)
        if habit is not None:
            habit.frozen = False
            self._changed.add(key)

    # What others ask.

    def habit(self, key: KeyId) -> Habit | None:
        """Return the habit of a key, or None where it was never seen."""
        return self._habits.get(key)

    def relearnt(self) -> list[KeyId]:
        """Return the keys whose habits changed since this was last asked; at first all there are."""
        relearnt, self._relearnt = self._relearnt, set()
        return sorted(relearnt)

    def knows(self, key: KeyId, context: ContextId) -> bool:
        """Tell whether a client context is of a key's habit."""
        habit = self._habits.get(key)
        return habit is not None and habit.weight(Dimension.CONTEXT, context) > 0

    def canary(self, key: KeyId) -> bool:
        """Tell whether a key is a canary."""
        return key in self._canaries

    def frozen(self, key: KeyId) -> bool:
        """Tell whether nothing is learnt of a key at present."""
        return key in self._frozen

    def recent(self, key: KeyId, since: Instant) -> Iterator[Sighting]:
        """Yield what was seen of a key since an instant, as far as it is at hand."""
        for seen in self._recent:
            if seen.key == key and seen.at >= since:
                yield seen

    def past(self, owner: OwnerId, now: Instant) -> Iterator[Spent]:
        """Yield what the contexts of an owner's keys asked for in the last thirty days."""
        for key in sorted(self._owned.get(owner, ())):
            if key in self._pasts:
                yield from self._pasts[key].spent(key, now)

    # Sleeping: a key that all others have been used since is packed, and unpacked at its next use.

    def elsewhere(self, key: KeyId) -> bool:
        """Tell whether what is kept of a key must be read before it is seen: it sleeps, and not here."""
        return key in self._asleep and key not in self._packed

    def wake(self, key: KeyId, packed: bytes) -> None:
        """Take up what was kept of a key that is asleep: packed, or nothing where that is lost."""
        self._packed.pop(key, None)
        self._asleep.discard(key)
        self._woken.add(key)
        self._changed.add(key)
        for kind, value in ASLEEP.read(packed) if packed else ():
            self._restore_key(Piece(PieceKind(kind), key, value), key)
        # An incident may have been opened or closed meanwhile.
        if key in self._habits:
            self._habits[key].frozen = key in self._frozen
        (self._engine.freeze if key in self._frozen else self._engine.thaw)(key)
        self._make_room()

    def _make_room(self) -> None:
        key = KeyId(self._engine.oldest())
        if len(self._habits) <= self._awake or not key:
            return
        pieces = [(piece.kind.value, piece.value) for piece in self._pieces_of(key)]
        self._packed[key] = ASLEEP.write(pieces)
        self._asleep.add(key)
        self._habits.pop(key, None)
        self._pasts.pop(key, None)
        self._engine.forget(key)
        self._runner.forget(key)
        for waiting in (self._changed, self._woken):
            waiting.discard(key)

    def _pieces_of(self, key: KeyId) -> Iterator[Piece]:
        if key in self._habits:
            yield Piece(PieceKind.HABIT, key, HABIT.write(self._habits[key].dump()))
        if key in self._pasts:
            yield Piece(PieceKind.PAST, key, PAST.write(self._pasts[key].dump()))
        weighed = self._engine.dump_key(key)
        if weighed is not None:
            yield Piece(PieceKind.WEIGHED, key, BUILTINS.write(weighed))
        remembered = self._runner.dump_key(key)
        if remembered:
            yield Piece(PieceKind.REMEMBERED, key, REMEMBERED.write(remembered))

    # Keeping.

    def changed(self) -> Iterator[Piece]:
        """Yield every piece of state that changed since it was last asked; a later one replaces it."""
        changed, self._changed = self._changed | {KeyId(key) for key in self._runner.touched()}, set()
        woken, self._woken = self._woken, set()
        packed, self._packed = self._packed, {}
        for key in sorted(woken):
            yield Piece(PieceKind.ASLEEP, key, b"")
        for key in sorted(changed):
            yield from self._pieces_of(key)
        for key, value in sorted(packed.items()):
            yield Piece(PieceKind.ASLEEP, key, value)
            yield from (Piece(kind, key, b"") for kind in _OF_A_KEY)
        yield Piece(PieceKind.EVIDENCE, "", BUILTINS.write(self._engine.dump_rest()))
        yield Piece(PieceKind.OPEN, "", OPEN.write(tuple(self._joiner.waiting())))
        yield Piece(PieceKind.COMBINED, "", WINDOWS.write(self._combiner.dump()))
        frozen = {str(key): why for key, why in self._frozen.items()}
        yield Piece(PieceKind.FROZEN, "", FROZEN.write((frozen, sorted(self._canaries))))
        for name, value in changes(self._links):
            yield Piece(PieceKind.LINKS, name, value)
        yield Piece(PieceKind.MEMORY, "", MEMORIES.write(self._runner.dump()))

    def restore(self, pieces: Iterable[Piece]) -> None:
        """Take over what was kept."""
        linked: list[tuple[str, bytes]] = []
        for piece in pieces:
            if piece.kind is PieceKind.LINKS:
                linked.append((piece.name, piece.value))
            else:
                self._restore(piece)
        take_up(self._links, linked)

    def _restore(self, piece: Piece) -> None:
        match piece.kind:
            case PieceKind.ASLEEP:
                self._asleep.add(KeyId(piece.name))
            case PieceKind.MEMORY:
                self._runner.load(MEMORIES.read(piece.value))
            case PieceKind.EVIDENCE:
                self._engine.load_rest(BUILTINS.read(piece.value))
            case PieceKind.OPEN:
                self._joiner = Joiner(OPEN.read(piece.value))
            case PieceKind.COMBINED:
                self._combiner.load(WINDOWS.read(piece.value))
            case PieceKind.FROZEN:
                frozen, canaries = FROZEN.read(piece.value)
                self._frozen = {KeyId(key): why for key, why in frozen.items()}
                self._canaries = {KeyId(key) for key in canaries}
            case _:
                self._restore_key(piece, KeyId(piece.name))

    def _restore_key(self, piece: Piece, key: KeyId) -> None:
        if piece.kind is PieceKind.HABIT:
            self._habits[key] = load(HABIT.read(piece.value))
            self._relearnt.add(key)
        elif piece.kind is PieceKind.PAST:
            past = load_past(PAST.read(piece.value))
            self._pasts[key] = past
            self._owned.setdefault(past.owner, set()).add(key)
        elif piece.kind is PieceKind.WEIGHED:
            self._engine.load_keys({key: BUILTINS.read(piece.value)})
        else:
            self._runner.load_key(key, REMEMBERED.read(piece.value))


def _grave(found: Sequence[Finding]) -> bool:
    return any(one.severity >= Severity.MEDIUM for one in found)
