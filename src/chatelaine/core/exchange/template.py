"""Templates of paths: how a card writes a route's path, and when two of them fit one path."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from chatelaine.model.error import CardError, Fault
from chatelaine.model.provider import ProviderCard, RouteCard

_VERB_MARK: Final = b":"


class Piece(NamedTuple):
    """One segment of a template: a literal (in ``prefix``), or a parameter with a literal ending."""

    prefix: bytes
    name: str = ""
    suffix: bytes = b""

    def take(self, segment: bytes) -> bytes:
        """Return the parameter's value in a segment, raw; empty where the segment does not fit.

        A value before a verb (``{model}:generateContent``) holds no colon, in whatever spelling:
        servers differ in which colon they take for the verb's.
        """
        suffix = self.suffix
        if not suffix:
            return segment
        if not segment.endswith(suffix):
            return b""
        value = segment[: -len(suffix)]
        return b"" if _VERB_MARK in value or b"%3a" in value.lower() else value


def read_template(path: str) -> tuple[Piece, ...]:
    """Return the pieces of a template.

    Raises:
        CardError: it does not start with a slash, or a segment is empty or has more than one parameter.
    """
    if not path.startswith("/"):
        raise CardError([Fault(path, "a path starts with a slash")])
    return tuple(_read_piece(path, segment) for segment in path[1:].split("/"))


def _read_piece(path: str, segment: str) -> Piece:
    if "{" not in segment and "}" not in segment and segment:
        return Piece(segment.encode())
    name, closed, suffix = segment[1:].partition("}")
    odd = not segment.startswith("{") or not closed or not name.isidentifier() or "{" in suffix
    if odd or (suffix and not suffix.startswith(":")):
        raise CardError(
            [Fault(path, f"the segment {segment!r} cannot be read", "write name, {name} or {name}:verb")]
        )
    return Piece(b"", name, suffix.encode())


def overlap(one: tuple[Piece, ...], other: tuple[Piece, ...]) -> bool:
    """Tell whether some path fits both templates."""
    return len(one) == len(other) and all(map(_meet, one, other))


def _meet(one: Piece, other: Piece) -> bool:
    if one.name and other.name:
        # A value before a verb holds no colon, and a value without one may end in anything.
        return one.suffix == other.suffix or not (one.suffix and other.suffix)
    if one.name:
        return bool(one.take(other.prefix))
    return bool(other.take(one.prefix)) if other.name else one.prefix == other.prefix


def find_conflicts(cards: Iterable[ProviderCard]) -> list[Fault]:
    """Return a fault for each two routes that one request could mean."""
    faults: list[Fault] = []
    seen: dict[tuple[str, str, int], list[tuple[str, tuple[Piece, ...], str]]] = {}
    for card in cards:
        for route in card.routes:
            pieces = read_template(route.path)
            group = seen.setdefault((route.method, route.when_header, len(pieces)), [])
            faults += [
                _conflict(card, route, f"{other} ({path})")
                for other, known, path in group
                if overlap(known, pieces)
            ]
            group.append((str(card.id), pieces, route.path))
    return faults


def _conflict(card: ProviderCard, route: RouteCard, other: str) -> Fault:
    return Fault(
        f"providers/{card.id}/provider.toml",
        f"{route.method} {route.path} fits requests of {other} too",
        "tell them apart by when_header",
    )
