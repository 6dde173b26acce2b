"""Taking content as it passes: who is captured, how much of it, and what waits in memory."""

from collections.abc import Callable
from typing import Final, NamedTuple

from chatelaine.model.capture import Part
from chatelaine.model.exchange import Caller
from chatelaine.model.settings import CaptureSettings
from chatelaine.model.words import ExchangeId, Instant, KeyId, OwnerId
from chatelaine.ports import Clock

_PIECE: Final = 64 * 1024
"""Bytes of content that make a piece: a long reply is not held until its end."""


class Piece(NamedTuple):
    """Content on its way to be written."""

    exchange: ExchangeId
    owner: OwnerId
    app: str
    key: KeyId
    part: Part
    piece: int
    at: Instant
    chunks: list[bytes]
    size: int
    seen: int
    last: bool


class Selection:
    """Whose content is captured."""

    def __init__(self, settings: CaptureSettings) -> None:
        self._enabled = settings.enabled
        self._everyone = settings.everyone
        self._owners = frozenset(settings.owners)
        self._apps = frozenset(settings.apps)
        self._keys = frozenset(settings.keys)

    def holds(self, caller: Caller) -> bool:
        """Tell whether a caller's content is captured."""
        return self._enabled and (
            self._everyone
            or caller.owner in self._owners
            or caller.key in self._keys
            or (bool(self._apps) and f"{caller.owner}/{caller.app}" in self._apps)
        )


class Recorder:
    """What recordings of one process share: the limits, and the bytes that wait."""

    def __init__(self, settings: CaptureSettings, clock: Clock, put: Callable[[Piece], None]) -> None:
        """Take where whole pieces go; ``put`` is called on the loop and must not block."""
        self.settings = settings
        self.clock = clock
        self.put = put
        self.begun = 0
        self.lost = 0
        """Recordings that did not fit into memory."""
        self.taken = 0
        """Bytes ever taken; changed on the loop alone."""
        self.written = 0
        """Bytes ever written or given up; changed by the writer alone, so that no lock is needed."""
        self._selection = Selection(settings)

    def change(self, settings: CaptureSettings) -> None:
        """Go by other settings from now on; what is being recorded goes on."""
        self.settings = settings
        self._selection = Selection(settings)

    def begin(self, exchange: ExchangeId, caller: Caller) -> "ContentRecording | None":
        """Return what takes an exchange's content, or None where none of it is to be kept."""
        if not self._selection.holds(caller) or caller.owner is None or caller.key is None:
            return None
        self.begun += 1
        return ContentRecording(self, exchange, caller.owner, caller.app, caller.key)

    @property
    def pressed(self) -> bool:
        """Whether so much waits that nothing should be held back to make larger pieces."""
        return (self.taken - self.written) * 2 > self.settings.memory_bytes

    def take(self, size: int) -> bool:
        """Take bytes into memory if they fit; else count a loss."""
        if self.taken - self.written + size > self.settings.memory_bytes:
            self.lost += 1
            return False
        self.taken += size
        return True


class _Side:
    """One part of an exchange so far."""

    __slots__ = ("chunks", "holding", "kept", "pieces", "seen")

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.holding = self.kept = self.pieces = self.seen = 0


class ContentRecording:
    """The content of one exchange being kept."""

    __slots__ = ("_app", "_exchange", "_key", "_limit", "_over", "_owner", "_recorder", "_sides")

    def __init__(
        self, recorder: Recorder, exchange: ExchangeId, owner: OwnerId, app: str, key: KeyId
    ) -> None:
        self._recorder = recorder
        self._exchange = exchange
        self._owner, self._app, self._key = owner, app, key
        self._limit = recorder.settings.record_bytes
        self._sides: dict[Part, _Side] = {}
        self._over = False

    def add(self, part: Part, data: bytes) -> None:
        """Take the next bytes of a part, in pieces of any size."""
        side = self._sides.get(part)
        if side is None:
            side = self._sides[part] = _Side()
        side.seen += len(data)
        room = self._limit - side.kept
        if self._over or room <= 0:
            return
        # Neither copies bytes that fit.
        chunk = bytes(data[:room])
        if not self._recorder.take(len(chunk)):
            self._give_up()
            return
        side.chunks.append(chunk)
        side.kept += len(chunk)
        side.holding += len(chunk)
        if side.holding >= _PIECE or self._recorder.pressed:
            self._put(part, side, last=False)

    def end(self) -> None:
        """Keep what was taken; what follows is not taken any more."""
        if self._over:
            return
        self._over = True
        for part, side in self._sides.items():
            self._put(part, side, last=True)

    def _put(self, part: Part, side: _Side, *, last: bool) -> None:
        recorder = self._recorder
        recorder.put(
            Piece(
                self._exchange,
                self._owner,
                self._app,
                self._key,
                part,
                side.pieces,
                recorder.clock.now(),
                side.chunks,
                side.holding,
                side.seen,
                last,
            )
        )
        side.chunks, side.holding = [], 0
        side.pieces += 1

    def _give_up(self) -> None:
        """Keep no more of this exchange: without its last pieces it is shown as not whole."""
        self._over = True
        for side in self._sides.values():
            self._recorder.taken -= side.holding
            side.chunks, side.holding = [], 0
