"""What the watch remembers, in memory: for tests and for hunts, which begin anew each time."""

from collections.abc import Iterable

from chatelaine.model.watch import Cursor, Piece, PieceKind
from chatelaine.model.words import KeyId


class MemoryWatchStore:
    """The port ``WatchStore`` in memory."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[PieceKind, str], Piece] = {}
        self._cursor = Cursor()

    async def keep(self, pieces: Iterable[Piece], cursor: Cursor) -> None:
        """Keep pieces that changed, and how far the journals were read for them."""
        for piece in pieces:
            self._pieces.pop((piece.kind, piece.name), None)
            if piece.value:
                self._pieces[piece.kind, piece.name] = piece
        self._cursor = cursor

    async def kept(self) -> tuple[list[Piece], Cursor]:
        """Return all that was kept last, and of keys that are asleep the names."""
        pieces = [
            Piece(piece.kind, piece.name, b"") if piece.kind is PieceKind.ASLEEP else piece
            for piece in self._pieces.values()
        ]
        return pieces, self._cursor

    async def asleep(self, key: KeyId) -> bytes:
        """Return what is kept of a key that is asleep; nothing where it is not."""
        piece = self._pieces.get((PieceKind.ASLEEP, key))
        return piece.value if piece else b""
