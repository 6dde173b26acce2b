"""The route table: request paths recognised by their shape, built from the providers' cards."""

from collections.abc import Callable, Iterable
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_to_bytes

from chatelaine.model.error import WireError
from chatelaine.model.exchange import RouteMatch
from chatelaine.model.provider import ProviderCard, RouteCard
from chatelaine.model.words import ProviderId

MOST_TARGET = 8 * 1024
_MOST_QUERY_FIELDS = 32
_MODEL_NAMES = ("model", "deployment")
_SECRETIVE = ("key", "sig", "token", "secret", "signature", "credential")
"""Query parameters whose values are never recorded."""

_CONTROLS = frozenset((*range(0x20), 0x7F))

Present = Callable[[str], bool]


class _Piece(NamedTuple):
    """One segment of a parameterised path."""

    literal: bytes
    """The whole segment; empty where it is a parameter."""
    name: str
    suffix: bytes


class _Pattern(NamedTuple):
    provider: ProviderId
    card: RouteCard
    pieces: tuple[_Piece, ...]


class _Exact(NamedTuple):
    header: str
    match: RouteMatch


class RouteTable:
    """Recognises targets: a dictionary for fixed paths, segments for those with parameters."""

    def __init__(self, cards: Iterable[ProviderCard]) -> None:
        self._exact: dict[tuple[bytes, bytes], tuple[_Exact, ...]] = {}
        self._patterns: dict[tuple[bytes, int], tuple[_Pattern, ...]] = {}
        for card in cards:
            for route in card.routes:
                self._add(card.id, route)

    def _add(self, provider: ProviderId, card: RouteCard) -> None:
        method, path = card.method.encode(), card.path.encode()
        if b"{" not in path:
            entry = _Exact(card.when_header, _matched(provider, card, "", ()))
            held = (*self._exact.get((method, path), ()), entry)
            # A route that asks for a header is tried before the one that stands without.
            self._exact[method, path] = tuple(sorted(held, key=lambda one: not one.header))
            return
        pieces = tuple(_piece(segment) for segment in path[1:].split(b"/"))
        held_patterns = self._patterns.get((method, len(pieces)), ())
        # Patterns with more fixed text are tried first: "{model}:generateContent" before "{model}".
        self._patterns[method, len(pieces)] = tuple(
            sorted(
                (*held_patterns, _Pattern(provider, card, pieces)),
                key=lambda one: -sum(len(piece.literal) + len(piece.suffix) for piece in one.pieces),
            )
        )

    def match(self, method: bytes, target: bytes, present: Present) -> RouteMatch | None:
        """Return the route of a target in origin form, or None.

        Raises:
            WireError: the path could be read in two ways (dot segments, empty segments, backslashes,
                encoded control characters), or is too long.
        """
        if b"?" not in target:
            found = self._exact.get((method, target))
            if found is not None and (chosen := _choose(found, present)) is not None:
                return chosen
        if len(target) > MOST_TARGET:
            raise WireError("the target is too long", clause="RFC 9110 §15.5.15")
        path, _, raw_query = target.partition(b"?")
        _refuse_ambiguous(path)
        query = _read_query(raw_query) if raw_query else ()
        found = self._exact.get((method, path))
        if found is not None and (chosen := _choose(found, present)) is not None:
            model = next((value for name, value in query if name == "model"), "")
            return _with_query(chosen, query, model)
        return self._match_pattern(method, path, query, present)

    def _match_pattern(
        self, method: bytes, path: bytes, query: tuple[tuple[str, str], ...], present: Present
    ) -> RouteMatch | None:
        segments = path[1:].split(b"/")
        for pattern in self._patterns.get((method, len(segments)), ()):
            header = pattern.card.when_header
            if (not header or present(header)) and _fits(pattern, segments):
                return _matched(pattern.provider, pattern.card, _model(pattern, segments), query)
        return None


def _piece(segment: bytes) -> _Piece:
    if not segment.startswith(b"{"):
        return _Piece(segment, "", b"")
    name, _, suffix = segment[1:].partition(b"}")
    return _Piece(b"", name.decode(), suffix)


def _fits(pattern: _Pattern, segments: list[bytes]) -> bool:
    return all(
        piece.literal == segment
        if piece.literal
        else len(segment) > len(piece.suffix) and segment.endswith(piece.suffix)
        for piece, segment in zip(pattern.pieces, segments, strict=True)
    )


def _model(pattern: _Pattern, segments: list[bytes]) -> str:
    for piece, segment in zip(pattern.pieces, segments, strict=True):
        if piece.name in _MODEL_NAMES:
            return _decoded(segment[: len(segment) - len(piece.suffix)])
    return ""


def _decoded(segment: bytes) -> str:
    plain = unquote_to_bytes(segment)
    if _CONTROLS.intersection(plain):
        raise WireError("the path hides a control character", clause="RFC 3986 §2.1")
    return plain.decode("utf-8", "replace")


def _choose(found: tuple[_Exact, ...], present: Present) -> RouteMatch | None:
    for entry in found:
        if not entry.header or present(entry.header):
            return entry.match
    return None


def _matched(
    provider: ProviderId, card: RouteCard, model: str, query: tuple[tuple[str, str], ...]
) -> RouteMatch:
    return RouteMatch(
        provider,
        card.path,
        card.operation,
        card.grammar,
        model,
        card.stream,
        card.upload,
        card.websocket,
        query,
    )


def _with_query(found: RouteMatch, query: tuple[tuple[str, str], ...], model: str) -> RouteMatch:
    return RouteMatch(
        found.provider,
        found.template,
        found.operation,
        found.grammar,
        model,
        found.stream,
        found.upload,
        found.websocket,
        query,
    )


def _refuse_ambiguous(path: bytes) -> None:
    lowered = path.lower()
    if b"//" in path or b"\\" in path or b"/./" in path or b"/../" in path or path.endswith((b"/.", b"/..")):
        raise WireError("the path has empty, dot or backslashed segments", clause="RFC 3986 §5.2.4")
    if b"%" in path and (b"%2e" in lowered or b"%00" in lowered or b"%5c" in lowered or b"%25" in lowered):
        raise WireError("the path hides dots, slashes or controls", clause="RFC 3986 §6.2.2")
    if not path.isascii():
        raise WireError("the path is not ASCII", clause="RFC 3986 §2")


def _read_query(raw: bytes) -> tuple[tuple[str, str], ...]:
    try:
        fields = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_QUERY_FIELDS)
    except ValueError as error:
        raise WireError("the query has too many fields", clause="RFC 3986 §3.4") from error
    return tuple(
        (name[:64], "" if any(part in name.lower() for part in _SECRETIVE) else value[:256])
        for name, value in fields
    )
