"""Reading captured content: the list of what there is without any key, the content with it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chatelaine.adapters.capture.form import Located, open_data_key, open_frame, read_first_line, walk
from chatelaine.adapters.capture.place import segments
from chatelaine.model.capture import CapturedExchange, CapturedPart, Part, PieceHead
from chatelaine.model.error import CaptureDamaged, CaptureUnknown, SealError
from chatelaine.model.words import ExchangeId
from chatelaine.ports import Sealer


@dataclass(slots=True)
class _Side:
    """What is known of a part from the heads of its pieces."""

    next: int = 0
    kept: int = 0
    size: int = 0
    unbroken: bool = True
    ended: bool = False

    def add(self, head: PieceHead) -> None:
        self.unbroken = self.unbroken and head.piece == self.next
        self.next = head.piece + 1
        self.kept += head.size
        self.size = max(self.size, head.seen)
        self.ended = self.ended or head.last

    @property
    def whole(self) -> bool:
        return self.unbroken and self.ended and self.kept == self.size


class CaptureReader:
    """Reads the segments of all workers in a directory."""

    def __init__(self, directory: Path, on_damage: Callable[[CaptureDamaged], None]) -> None:
        """Take whom to tell of damage; what can be read is read all the same."""
        self._directory = directory
        self._on_damage = on_damage

    def exchanges(self) -> list[CapturedExchange]:
        """Return every exchange of which anything is kept, the oldest first."""
        return sorted(_gather(self._records()), key=lambda one: one.at)

    def about(self, found: Iterable[tuple[Path, Located]]) -> CapturedExchange:
        """Return what is kept of the exchange that pieces belong to."""
        (one,) = _gather(found)
        return one

    def find(self, exchange: ExchangeId) -> list[tuple[Path, Located]]:
        """Return where the pieces of an exchange lie.

        Raises:
            CaptureUnknown: nothing is kept of it.
        """
        found = [(path, one) for path, one in self._records() if one.head.exchange == exchange]
        if not found:
            raise CaptureUnknown(
                f"nothing is kept of exchange {exchange}",
                hint="`chatelaine capture list` shows what is; older content was deleted",
            )
        return found

    def open(self, found: Iterable[tuple[Path, Located]], sealer: Sealer) -> list[CapturedPart]:
        """Return the content of an exchange.

        Raises:
            CaptureDamaged: a piece, or the key of its segment, was changed.
            SealError: the key-encryption key of a segment is not configured.
        """
        ciphers: dict[Path, AESGCM] = {}
        sides: dict[Part, _Side] = {}
        contents: dict[Part, list[bytes]] = {}
        for path, one in found:
            part = one.head.part
            contents.setdefault(part, []).append(_open(path, one, ciphers, sealer))
            sides.setdefault(part, _Side()).add(one.head)
        return [
            CapturedPart(part, b"".join(contents[part]), sides[part].size, sides[part].whole)
            for part in Part
            if part in sides
        ]

    def _records(self) -> Iterator[tuple[Path, Located]]:
        for segment in segments(self._directory):
            yield from ((segment.path, one) for one in self._walk(segment.path))

    def _walk(self, path: Path) -> Iterator[Located]:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            # It was deleted since the directory was read.
            return
        with file:
            yield from walk(file, lambda offset: self._on_damage(_damage(path, offset)))


def _gather(records: Iterable[tuple[Path, Located]]) -> list[CapturedExchange]:
    first: dict[ExchangeId, PieceHead] = {}
    sides: dict[ExchangeId, dict[Part, _Side]] = {}
    for _, found in records:
        head = found.head
        first.setdefault(head.exchange, head)
        sides.setdefault(head.exchange, {}).setdefault(head.part, _Side()).add(head)
    return [_told(head, sides[exchange].values()) for exchange, head in first.items()]


def _told(head: PieceHead, sides: Iterable[_Side]) -> CapturedExchange:
    held = list(sides)
    return CapturedExchange(
        head.exchange,
        head.owner,
        head.app,
        head.key,
        head.at,
        sum(side.kept for side in held),
        all(side.whole for side in held),
    )


def _open(path: Path, found: Located, ciphers: dict[Path, AESGCM], sealer: Sealer) -> bytes:
    with path.open("rb") as file:
        if path not in ciphers:
            ciphers[path] = _cipher(path, file, sealer)
        content = open_frame(ciphers[path], file, found)
    if content is None:
        raise CaptureDamaged(
            f"{path}: the record at offset {found.start} was changed since it was written",
            hint="restore the file from a copy; its other records can still be shown",
        )
    return content


def _cipher(path: Path, file: BinaryIO, sealer: Sealer) -> AESGCM:
    head = read_first_line(file)
    if head is None:
        raise CaptureDamaged(
            f"{path}: its first line, which holds the key of its records, cannot be read",
            hint="restore the file from a copy; without that line nothing of it can be shown",
        )
    try:
        return open_data_key(head, sealer)
    except SealError as error:
        raise SealError(
            f"{path}: {error.message}",
            hint=f"it needs the key-encryption key {head.kek}: point keys.kek at it, or restore kek.secret",
        ) from error


def _damage(path: Path, offset: int) -> CaptureDamaged:
    return CaptureDamaged(
        f"{path}: damaged at offset {offset}", hint="restore the file from a copy; the rest can be read"
    )
