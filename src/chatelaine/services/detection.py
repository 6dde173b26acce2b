"""The driver of the detection room: events in, findings out.

The gate's journals as they grow, the logs of last year and a test go through this same loop; what
differs is who feeds it. Whatever it holds can be dumped and loaded, piece by piece, so that a hub that
comes back goes on where it was and finds the same again.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from chatelaine.core.detection.links import Links
from chatelaine.core.detection.pieces import (
    Memories,
    read_habit,
    read_links,
    read_memories,
    read_open,
    write_habit,
    write_links,
    write_memories,
    write_open,
)
from chatelaine.core.detection.run import Detection, Runner
from chatelaine.core.detection.scene import Scene, traits_of
from chatelaine.core.detection.sighting import Joiner
from chatelaine.core.key.habit import Habit, load
from chatelaine.model.detection import Finding, Phase, Severity, Sighting, Trait
from chatelaine.model.event import Event
from chatelaine.model.watch import Piece, PieceKind
from chatelaine.model.words import KeyId

_UNKNOWN: Final = Habit()
"""The habit of what is no key of ours; it never learns."""
_UNLEARNT: Final = Trait.REFUSED | Trait.UNPROVEN | Trait.DEAD_KEY | Trait.CANARY | Trait.ADMIN
"""What is not taken for the owner's way of using a key."""


class Watch:
    """Watches a stream of events; it holds habits by key, and what the detections remember."""

    def __init__(self, detections: Iterable[Detection]) -> None:
        self._runner = Runner(detections)
        self._joiner = Joiner()
        self._links = Links()
        self._habits: dict[KeyId, Habit] = {}
        self._changed: set[KeyId] = set()
        self._canaries: set[KeyId] = set()

    def take(self, event: Event) -> list[Finding]:
        """Return what is found in an event; the end of what was never seen to open shows nothing."""
        sighting = self._joiner.take(event)
        return self.see(sighting) if sighting is not None else []

    def see(self, sighting: Sighting) -> list[Finding]:
        """Return what is found in a sighting, then learn from it."""
        habit = self._habits.get(sighting.key, _UNKNOWN)
        elsewhere = self._links.look(sighting)
        canary = sighting.key in self._canaries
        traits = traits_of(sighting, habit, canary=canary, elsewhere=elsewhere)
        found = list(self._runner.run(Scene(sighting, traits, habit, elsewhere)))
        if not traits & _UNLEARNT and sighting.key:
            self._learn(sighting, found)
        return found

    def _learn(self, sighting: Sighting, found: list[Finding]) -> None:
        habit = self._habits.get(sighting.key)
        if habit is None:
            habit = self._habits[sighting.key] = Habit()
        self._changed.add(sighting.key)
        if sighting.phase is not Phase.ENDED and any(one.severity >= Severity.MEDIUM for one in found):
            habit.forget(sighting.context)
        habit.learn(sighting)

    # What others ask and tell.

    def habit(self, key: KeyId) -> Habit | None:
        """Return the habit of a key, or None where it was never seen."""
        return self._habits.get(key)

    def freeze(self, keys: Iterable[KeyId]) -> None:
        """Learn nothing of these keys: an incident on them is open (principle 5)."""
        self._set_frozen(keys, frozen=True)

    def thaw(self, keys: Iterable[KeyId]) -> None:
        """Learn of these keys again."""
        self._set_frozen(keys, frozen=False)

    def _set_frozen(self, keys: Iterable[KeyId], *, frozen: bool) -> None:
        for key in keys:
            self._habits.setdefault(key, Habit()).frozen = frozen
            self._changed.add(key)

    def mark_canaries(self, keys: Iterable[KeyId]) -> None:
        """Hold exactly these keys for canaries."""
        self._canaries = set(keys)

    # Keeping.

    def changed(self) -> Iterator[Piece]:
        """Yield every piece of state that changed since it was last asked; a later one replaces it."""
        changed, self._changed = self._changed, set()
        for key in sorted(changed):
            yield Piece(PieceKind.HABIT, key, write_habit(self._habits[key].dump()))
        yield Piece(PieceKind.OPEN, "", write_open(self._joiner.waiting()))
        yield Piece(PieceKind.LINKS, "", write_links(self._links.dump()))
        for name, memories in self._runner.dump().items():
            yield Piece(PieceKind.MEMORY, name, write_memories(memories))

    def restore(self, pieces: Iterable[Piece]) -> None:
        """Take over what was kept."""
        memories: dict[str, Memories] = {}
        for piece in pieces:
            if piece.kind is PieceKind.HABIT:
                self._habits[KeyId(piece.name)] = load(read_habit(piece.value))
            elif piece.kind is PieceKind.OPEN:
                self._joiner = Joiner(read_open(piece.value))
            elif piece.kind is PieceKind.LINKS:
                self._links.load(read_links(piece.value))
            elif piece.kind is PieceKind.MEMORY:
                memories[piece.name] = read_memories(piece.value)
        self._runner.load(memories)
