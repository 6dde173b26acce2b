"""What the watch remembers, in memory: for tests and for hunts, which begin anew each time."""

from collections.abc import Iterable

from chatelaine.model.watch import Cursor, Piece, PieceKind


class MemoryWatchStore:
    """The port ``WatchStore`` in memory."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[PieceKind, str], Piece] = {}
        self._cursor = Cursor()

    async def keep(self, pieces: Iterable[Piece], cursor: Cursor) -> None:
        """Keep pieces that changed, and how far the journals were read for them."""
        self._pieces |= {(piece.kind, piece.name): piece for piece in pieces}
        self._cursor = cursor

    async def kept(self) -> tuple[list[Piece], Cursor]:
        """Return all that was kept last."""
        return list(self._pieces.values()), self._cursor
