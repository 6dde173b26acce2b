"""The index of links as pieces of bytes: what was written since all was last kept, table by table."""

from collections.abc import Iterable, Iterator
from typing import Final

from chatelaine.core.detection.links import Links
from chatelaine.core.detection.pieces import BEGUN, BODIES, SHARINGS, TURNS

_BEGUN: Final = "begun"
_TURNS: Final = "turns"
_BODIES: Final = "bodies"
_SHARED: Final = ("system", "context", "prefix", "client")


def changes(links: Links) -> Iterator[tuple[str, bytes]]:
    """Yield pieces by their names; one without a value is kept no more."""
    yield _BEGUN, BEGUN.write(links.begun)
    for name, turns in links.turns.changes():
        yield f"{_TURNS}.{name}", TURNS.write(turns) if turns else b""
    for name, bodies in links.bodies.changes():
        yield f"{_BODIES}.{name}", BODIES.write(bodies) if bodies else b""
    for kind, table in zip(_SHARED, links.shared, strict=True):
        for name, held in table.changes():
            yield f"{kind}.{name}", SHARINGS.write(held) if held else b""


def take_up(links: Links, kept: Iterable[tuple[str, bytes]]) -> None:
    """Take over the pieces that are kept, in any order.

    Raises:
        msgspec.DecodeError: the bytes of one are none of its table.
        ValueError: a name tells no place.
    """
    pieces: dict[str, list[tuple[str, bytes]]] = {}
    for whole, value in kept:
        kind, _, name = whole.partition(".")
        pieces.setdefault(kind, []).append((name, value))
    for _, value in pieces.get(_BEGUN, ()):
        links.begun = BEGUN.read(value)
    links.turns.take_up((name, TURNS.read(value)) for name, value in pieces.get(_TURNS, ()))
    links.bodies.take_up((name, BODIES.read(value)) for name, value in pieces.get(_BODIES, ()))
    for kind, table in zip(_SHARED, links.shared, strict=True):
        table.take_up((name, SHARINGS.read(value)) for name, value in pieces.get(kind, ()))
