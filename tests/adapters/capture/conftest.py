"""A store of captured content whose clock a test moves."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from chatelaine.adapters.capture import CaptureReader, SegmentWriter
from chatelaine.adapters.capture.recording import Piece
from chatelaine.adapters.clock import ManualClock
from chatelaine.adapters.entropy import SystemEntropy
from chatelaine.adapters.sealer import AesGcmSealer
from chatelaine.model.capture import Part
from chatelaine.model.error import CaptureDamaged
from chatelaine.model.settings import CaptureSettings
from chatelaine.model.words import ExchangeId, KeyId, OwnerId, WorkerNumber


def name(letter: str) -> ExchangeId:
    return ExchangeId(letter * 24)


@dataclass
class Store:
    """Segments in a directory, written and read without a thread."""

    directory: Path
    settings: CaptureSettings = field(default_factory=lambda: CaptureSettings(enabled=True, everyone=True))
    clock: ManualClock = field(default_factory=ManualClock)
    sealer: AesGcmSealer = field(default_factory=lambda: AesGcmSealer({"first": b"k" * 32}, SystemEntropy()))
    damage: list[CaptureDamaged] = field(default_factory=list)

    def writer(self, worker: int = 1) -> SegmentWriter:
        return SegmentWriter(
            self.directory,
            WorkerNumber(worker),
            sealer=self.sealer,
            entropy=SystemEntropy(),
            clock=self.clock,
        )

    def piece(
        self, letter: str, content: bytes = b"content", *, owner: str = "acme", part: Part = Part.REQUEST
    ) -> Piece:
        return Piece(
            name(letter), OwnerId(owner), "bot", KeyId("abcdefghi"), part, 0, self.clock.now(),
            [content], len(content), len(content), last=True,
        )  # fmt: skip

    def write(self, writer: SegmentWriter, pieces: Iterable[Piece]) -> int:
        return writer.write(pieces, self.settings)

    def files(self) -> list[Path]:
        return sorted(self.directory.glob("*.capture"))

    def reader(self) -> CaptureReader:
        self.damage.clear()
        return CaptureReader(self.directory, self.damage.append)

    def names(self) -> str:
        return "".join(one.exchange[0] for one in self.reader().exchanges())

    def content(self, letter: str, sealer: AesGcmSealer | None = None) -> bytes:
        reader = self.reader()
        parts = reader.open(reader.find(name(letter)), sealer if sealer is not None else self.sealer)
        return b"".join(part.content for part in parts)

    def wait(self, **passed: float) -> None:
        self.clock.advance(timedelta(**passed))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "capture")


@pytest.fixture
def make_store() -> Callable[[Path], Store]:
    return Store
