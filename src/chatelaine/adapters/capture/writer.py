"""Writing segments of captured content: encrypted, bounded in size and age, never trusted after a failure."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from errno import EIO, ENOSPC
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chatelaine.adapters.capture.form import DATA_KEY_BYTES, first_line, frame
from chatelaine.adapters.capture.place import in_place, make_room, segment_path, segments
from chatelaine.adapters.capture.recording import Piece
from chatelaine.model.capture import PieceHead
from chatelaine.model.settings import CaptureSettings
from chatelaine.model.words import SECOND, WorkerNumber
from chatelaine.ports import Clock, Entropy, Sealer

_RUN: Final = 1 << 20
"""Bytes written in one call, about: what is encrypted and not written yet stays small."""

_RETRY: Final = SECOND
"""Nanoseconds after a failure in which nothing is tried."""


class _Open:
    """The segment being written."""

    def __init__(self, path: Path, file: int, data_key: bytes, begun: int) -> None:
        self.path = path
        self.file = file
        self.cipher = AESGCM(data_key)
        self.begun = begun
        self.number = 0
        self.size = 0


class SegmentWriter:
    """The segments of one worker; used by one thread."""

    def __init__(
        self, directory: Path, worker: WorkerNumber, *, sealer: Sealer, entropy: Entropy, clock: Clock
    ) -> None:
        self._directory = directory
        self._worker = worker
        self._sealer = sealer
        self._entropy = entropy
        self._clock = clock
        self._open: _Open | None = None
        self._failed_at: int | None = None
        self.failure = ""
        """Why nothing can be written; "" while it can."""

    def write(self, pieces: Iterable[Piece], settings: CaptureSettings) -> int:
        """Write pieces, and return how many exchanges lost content by it."""
        lost: set[str] = set()
        for run in _runs(pieces):
            if self._failed_at is not None and self._clock.elapsed() - self._failed_at < _RETRY:
                lost.update(piece.exchange for piece in run)
                continue
            try:
                self._write(run, settings)
            except (OSError, UnicodeEncodeError) as error:
                self._fail(str(error))
                lost.update(piece.exchange for piece in run)
            else:
                self._failed_at, self.failure = None, ""
        return len(lost)

    def close(self) -> None:
        """Close the present segment."""
        if self._open is not None:
            with suppress(OSError):
                os.close(self._open.file)
            self._open = None

    def _fail(self, why: str) -> None:
        self._failed_at = self._clock.elapsed()
        self.failure = why
        if self._open is not None:
            # Numbers of a run that is there in part must not be used again: the next segment has its own key.
            with suppress(OSError):
                os.ftruncate(self._open.file, self._open.size)
        self.close()

    def _write(self, run: list[Piece], settings: CaptureSettings) -> None:
        size = sum(piece.size for piece in run)
        with self._locked(size, settings) as present:
            data = b"".join(
                frame(present.cipher, _head(present.number + place, piece), b"".join(piece.chunks))
                for place, piece in enumerate(run)
            )
            _write_all(present.file, data)
            present.number += len(run)
            present.size += len(data)

    @contextmanager
    def _locked(self, size: int, settings: CaptureSettings) -> Iterator[_Open]:
        """Give the present segment, or the next, locked and still in its place."""
        while True:
            present = self._present(size, settings)
            fcntl.flock(present.file, fcntl.LOCK_EX)
            if in_place(present.file, present.path):
                break
            self.close()
        try:
            yield present
        finally:
            fcntl.flock(present.file, fcntl.LOCK_UN)

    def _present(self, size: int, settings: CaptureSettings) -> _Open:
        present = self._open
        if present is not None:
            age = (self._clock.elapsed() - present.begun) / SECOND
            full = present.number > 0 and present.size + size > settings.segment_bytes
            if not full and age < settings.segment_age.total_seconds():
                return present
            self.close()
        self._open = present = self._begin(settings)
        return present

    def _begin(self, settings: CaptureSettings) -> _Open:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not make_room(self._directory, settings.segment_bytes, settings.store_bytes):
            raise OSError(ENOSPC, "capture.store_bytes is used up by segments that are being written")
        sequence = self._newest() + 1
        path = segment_path(self._directory, self._worker, sequence)
        data_key = self._entropy.draw(DATA_KEY_BYTES)
        line = first_line(
            self._sealer, data_key, worker=self._worker, sequence=sequence, created_at=self._clock.now()
        )
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        present = _Open(path, file, data_key, self._clock.elapsed())
        try:
            _write_all(file, line)
        except OSError:
            os.close(file)
            with suppress(OSError):
                path.unlink()
            raise
        present.size = len(line)
        return present

    def _newest(self) -> int:
        return max(
            (one.sequence for one in segments(self._directory) if one.worker == self._worker), default=0
        )


def _runs(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    run: list[Piece] = []
    size = 0
    for piece in pieces:
        run.append(piece)
        size += piece.size
        if size >= _RUN:
            yield run
            run, size = [], 0
    if run:
        yield run


def _head(number: int, piece: Piece) -> PieceHead:
    return PieceHead(
        number=number,
        exchange=piece.exchange,
        owner=piece.owner,
        app=piece.app,
        key=piece.key,
        part=piece.part,
        piece=piece.piece,
        at=piece.at,
        size=piece.size,
        seen=piece.seen,
        last=piece.last,
    )


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        count = os.write(file, rest)
        if count == 0:
            raise OSError(EIO, os.strerror(EIO))
        rest = rest[count:]
