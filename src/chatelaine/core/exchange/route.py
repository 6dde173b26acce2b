"""The route table: request paths recognised by their shape, built from the providers' cards.

A fixed path is one look-up. A path with parameters is walked segment by segment through a tree in
which each node is visited at most once. A path that servers could read in two ways is refused.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

from chatelaine.core.exchange.template import Piece, read_template
from chatelaine.model.error import WireError
from chatelaine.model.exchange import RouteMatch
from chatelaine.model.provider import ProviderCard, RouteCard
from chatelaine.model.words import ProviderId

Query = tuple[tuple[str, str], ...]
Present = Callable[[str], bool]

MOST_TARGET: Final = 8 * 1024
MOST_SEGMENTS: Final = 16
MOST_FIELDS: Final = 32
_MOST_NAME: Final = 64
_MOST_VALUE: Final = 256
_MODEL_NAMES: Final = frozenset({"model", "deployment"})
_SECRETIVE: Final = ("key", "sig", "token", "secret", "credential", "auth", "pass", "code")
"""Parts of the names of query parameters that are never recorded."""

_NOT_PATH: Final = re.compile(rb"[^A-Za-z0-9\-._~!$&'()*+,;=:@%/]")
"""What RFC 3986 §3.3 does not allow in a path: controls, spaces, backslashes, bytes beyond ASCII."""
_NOT_QUERY: Final = re.compile(rb"[^!-~]|#")
_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_DOTS: Final = frozenset({b".", b".."})


class _Entry:
    """The routes that stand on one method and path: at most one without a header."""

    def __init__(self) -> None:
        self.plain: RouteMatch | None = None
        self.when: list[tuple[str, RouteMatch]] = []

    def choose(self, present: Present) -> RouteMatch | None:
        """Return the route for the headers that are present."""
        if self.when:
            found = [match for header, match in self.when if present(header)]
            if len(found) > 1:
                raise WireError("the headers name two dialects", clause="RFC 9110 §15.5.1")
            if found:
                return found[0]
        return self.plain


class _Node:
    """One segment of the tree of paths with parameters."""

    def __init__(self) -> None:
        self.literals: dict[bytes, _Node] = {}
        self.patterns: list[tuple[Piece, _Node]] = []
        self.entries: dict[bytes, _Entry] = {}


class RouteTable:
    """Recognises targets. It is built once and never changed."""

    def __init__(self, cards: Iterable[ProviderCard]) -> None:
        self._plain: dict[bytes, dict[bytes, RouteMatch]] = {}
        """Fixed paths that need no header: the look-up of nearly every request."""
        self._fixed: dict[bytes, dict[bytes, _Entry]] = {}
        self._root = _Node()
        for card in cards:
            for route in card.routes:
                self._add(card.id, route)

    def _add(self, provider: ProviderId, card: RouteCard) -> None:
        method, path = card.method.encode(), card.path.encode()
        match = _matched(provider, card)
        if b"{" in path:
            entry = self._leaf(read_template(card.path)).entries.setdefault(method, _Entry())
        else:
            entry = self._fixed.setdefault(method, {}).setdefault(path, _Entry())
        if card.when_header:
            entry.when.append((card.when_header, match))
        else:
            entry.plain = match
        if b"{" not in path:
            quick = self._plain.setdefault(method, {})
            if entry.when or entry.plain is None:
                quick.pop(path, None)
            else:
                quick[path] = entry.plain

    def _leaf(self, pieces: tuple[Piece, ...]) -> _Node:
        node = self._root
        for piece in pieces:
            if not piece.name:
                node = node.literals.setdefault(piece.prefix, _Node())
                continue
            held = next((child for known, child in node.patterns if known == piece), None)
            if held is None:
                held = _Node()
                node.patterns.append((piece, held))
            node = held
        return node

    def match(self, method: bytes, target: bytes, present: Present) -> RouteMatch | None:
        """Return the route of a target, or None where no card names it.

        Args:
            method: in capitals.
            target: in origin form, or absolute with ``http`` or ``https``.
            present: tells whether a header (lower case) is present.

        Raises:
            WireError: the target could be read in two ways, or is too long or not allowed.
        """
        quick = self._plain.get(method)
        if quick is not None:
            found = quick.get(target)
            if found is not None:
                return found
        if len(target) > MOST_TARGET:
            raise WireError("the target is too long", clause="RFC 9110 §15.5.15")
        path, mark, raw = _origin(target).partition(b"?")
        segments = _split(path)
        query = _read_query(raw) if mark else ()
        fixed = self._fixed.get(method, {}).get(path)
        if fixed is not None:
            found = fixed.choose(present)
            return None if found is None else _completed(found, "", query)
        return self._match_pattern(method, segments, query, present)

    def _match_pattern(
        self, method: bytes, segments: list[bytes], query: Query, present: Present
    ) -> RouteMatch | None:
        captured: list[tuple[str, bytes]] = []
        found = _walk(self._root, segments, method, captured)
        match = found.choose(present) if found is not None else None
        if match is None:
            return None
        model = ""
        for name, raw in captured:
            value = _decoded(raw)
            if name in _MODEL_NAMES:
                model = value
        return _completed(match, model, query)


def _walk(
    node: _Node, segments: list[bytes], method: bytes, captured: list[tuple[str, bytes]]
) -> _Entry | None:
    """Return the entry that segments lead to; ``captured`` receives its parameters, raw."""
    if not segments:
        return node.entries.get(method)
    first, rest = segments[0], segments[1:]
    literal = node.literals.get(first)
    if literal is not None:
        found = _walk(literal, rest, method, captured)
        if found is not None:
            return found
    for piece, child in node.patterns:
        value = piece.take(first)
        if value:
            found = _walk(child, rest, method, captured)
            if found is not None:
                captured.append((piece.name, value))
                return found
    return None


def _origin(target: bytes) -> bytes:
    if target.startswith(b"/"):
        return target
    # RFC 9112 §3.2.2: a server must accept the absolute form.
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() not in {b"http", b"https"}:
        raise WireError("the request target is not a path", clause="RFC 9112 §3.2")
    slash = rest.find(b"/")
    return rest[slash:] if slash >= 0 else b"/"


def _split(path: bytes) -> list[bytes]:
    if _NOT_PATH.search(path) is not None:
        raise WireError("the path holds bytes that no path may hold", clause="RFC 3986 §3.3")
    segments = path[1:].split(b"/")
    if len(segments) > MOST_SEGMENTS:
        raise WireError("the path has too many segments", clause="RFC 9110 §15.5.15")
    if path == b"/":
        return segments
    for segment in segments:
        if not segment or segment in _DOTS:
            raise WireError("the path has empty or dot segments", clause="RFC 3986 §5.2.4")
        if b"%" in segment:
            _decoded(segment)
    return segments


def _decoded(segment: bytes) -> str:
    """Return a segment percent-decoded, as every server must read it.

    Raises:
        WireError: it hides what would change the path for a server that decodes first.
    """
    if b"%" not in segment:
        return segment.decode("ascii")
    if _BROKEN_ESCAPE.search(segment) is not None:
        raise WireError("the path holds a broken escape", clause="RFC 3986 §2.1")
    try:
        plain = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError as error:
        raise WireError("the path is not UTF-8", clause="RFC 3986 §2.5") from error
    if not plain.isprintable() or "\\" in plain or "%" in plain:
        raise WireError("the path hides controls, backslashes or escapes", clause="RFC 3986 §2.4")
    if any(part in {"", ".", ".."} for part in plain.split("/")):
        raise WireError("the path hides empty or dot segments", clause="RFC 3986 §5.2.4")
    return plain


def _matched(provider: ProviderId, card: RouteCard) -> RouteMatch:
    return RouteMatch(
        provider,
        card.path,
        card.operation,
        card.grammar,
        "",
        card.stream,
        card.upload,
        card.websocket,
        (),
    )


def _completed(found: RouteMatch, model: str, query: Query) -> RouteMatch:
    """Return a route with what this target says. Only a WebSocket names its model in the query."""
    if found.websocket:
        named = [value for name, value in query if name in _MODEL_NAMES]
        if len(named) > 1:
            raise WireError("the query names two models", clause="RFC 3986 §3.4")
        model = named[0] if named else model
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


def _read_query(raw: bytes) -> Query:
    """Return the parameters of a query but for those that may be credentials."""
    if _NOT_QUERY.search(raw) is not None:
        raise WireError("the query holds bytes that no query may hold", clause="RFC 3986 §3.4")
    fields = raw.split(b"&")
    if len(fields) > MOST_FIELDS:
        raise WireError("the query has too many parameters", clause="RFC 3986 §3.4")
    pairs = []
    for field in fields:
        name, _, value = field.partition(b"=")
        read = _text(name)
        if read and not any(part in read.lower() for part in _SECRETIVE):
            pairs.append((read[:_MOST_NAME], _text(value)[:_MOST_VALUE]))
    return tuple(pairs)


def _text(raw: bytes) -> str:
    if b"%" not in raw and b"+" not in raw:
        return raw.decode("ascii")
    return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8", "replace")
