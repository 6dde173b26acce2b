"""The client context: what tells one program on one network from another, on every request.

A connection's requests mostly look alike, so a ``Reader``, shared by all connections of a worker,
remembers what header names come to, and an ``Introduction``, one a connection, hands out the very
same ``Client`` while names and the values that matter stay the same.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from operator import itemgetter
from typing import NamedTuple, TypeVar

from chatelaine.core.exchange.hop import Claims, TrustedHops, read_address, resolve
from chatelaine.model.exchange import Client, Greeting, Network

NAMES_MAX = 64
"""Header names that are recorded; the rest are left out."""

NAMES_TEXT_MAX = 2048
"""Characters of recorded header names together."""

USER_AGENT_MAX = 512
SDK_MAX = 24
SDK_NAME_MAX = 64
SDK_VALUE_MAX = 128

_PREFIXES = ("x-stainless-", "x-amz-")
_NAMED = frozenset(
    {
        "x-goog-api-client",
        "anthropic-version",
        "anthropic-beta",
        "openai-organization",
        "openai-project",
        "openai-beta",
        "x-ms-useragent",
        "x-app",
        "x-title",
        # Empty, or another site's: residue of a proxy (D22). Many languages: many users (D21, D24).
        "origin",
        "referer",
        "accept-language",
        "via",
    }
)
_WITHHELD = frozenset({"token", "signature", "credential", "secret", "key", "date", "sha256", "id"})
"""Words of names that begin with a prefix: what is secret, or new with each request."""

_REDACTED_FROM = 8192
"""Characters of a value that are looked through; what is kept lies far within them."""

_LAYOUTS_MAX = 512
_TEXTS_MAX = 2048
_HELD_TEXT_MAX = 1024
_HELD_BYTES_MAX = 4096
"""Bytes of names, and of values that matter, up to which a connection remembers its last request."""

_Header = tuple[bytes, bytes]
_Picked = tuple[_Header, ...]
_T = TypeVar("_T")

_name = itemgetter(0)


class Headers(NamedTuple):
    """What a head's header fields say of the client, in the form that is recorded."""

    names: str
    hash: str
    user_agent: str
    sdk: tuple[tuple[str, str], ...]


class _Layout(NamedTuple):
    """What a list of header names comes to: where in it the values that matter stand."""

    length: int
    names: str
    hash: str
    pick: Callable[[Sequence[_Header]], _Picked]
    """Takes the headers that matter out of the list."""
    user_agent: int
    """Place in the list; -1 where there is none."""
    sdk: tuple[tuple[str, int], ...]
    referred: bool
    x_forwarded_for: tuple[int, ...]
    forwarded: tuple[int, ...]


class Reader:
    """Reads header fields; remembers, within bounds, what it has read before."""

    __slots__ = ("_layouts", "_redact", "_texts")

    def __init__(self, redact: Callable[[str], str]) -> None:
        """Take what replaces credentials in a text."""
        self._redact = redact
        self._layouts: dict[bytes, _Layout] = {}
        self._texts: dict[bytes, str] = {}

    def read_headers(self, pairs: Sequence[_Header]) -> Headers:
        """Return what header fields, in the caller's order and case, say of the client."""
        return self.interpret(self.layout(b",".join(map(_name, pairs)), pairs), pairs)

    def interpret(self, layout: _Layout, pairs: Sequence[_Header]) -> Headers:
        """Return what header fields of a known layout say."""
        agent = self._read_text(pairs[layout.user_agent][1]) if layout.user_agent >= 0 else ""
        text = self._read_text
        sdk = [(name, text(pairs[place][1])[:SDK_VALUE_MAX]) for name, place in layout.sdk]
        if layout.referred:
            # What stands after "?" is the caller's business, and may be its prompt.
            sdk = [(name, value.partition("?")[0] if name == "referer" else value) for name, value in sdk]
        return Headers(layout.names, layout.hash, agent, tuple(sdk))

    def layout(self, joined: bytes, pairs: Sequence[_Header]) -> _Layout:
        """Return the layout of header names, given both joined by commas and as they stand."""
        known = self._layouts.get(joined)
        if known is not None and known.length == len(pairs):
            return known
        made = self._lay_out(pairs)
        if len(joined) <= NAMES_TEXT_MAX:
            _hold(self._layouts, joined, made, most=_LAYOUTS_MAX)
        return made

    def clean(self, text: str, longest: int) -> str:
        """Return a text as it may be recorded: without credentials, and bounded."""
        return self._redact(text[:_REDACTED_FROM])[:longest]

    def _read_text(self, raw: bytes) -> str:
        known = self._texts.get(raw)
        if known is not None:
            return known
        text = raw.decode("latin-1")
        cleaned = self.clean(text, USER_AGENT_MAX)
        # A value in which a credential was found is not held: the credential would lie in memory.
        if len(raw) <= _HELD_TEXT_MAX and (cleaned == text or len(text) > USER_AGENT_MAX):
            _hold(self._texts, raw, cleaned, most=_TEXTS_MAX)
        return cleaned

    def _lay_out(self, pairs: Sequence[_Header]) -> _Layout:
        names = [raw.decode("latin-1") for raw, _ in pairs]
        lower = [name.lower() for name in names]
        agent = lower.index("user-agent") if "user-agent" in lower else -1
        sdk = [(name, place) for place, name in enumerate(lower) if _names_sdk(name)][:SDK_MAX]
        listed = _places(lower, "x-forwarded-for")
        forwarded = _places(lower, "forwarded")
        shown = self.clean(",".join(names[:NAMES_MAX]), NAMES_TEXT_MAX)
        return _Layout(
            length=len(pairs),
            names=shown,
            hash=sha256(shown.encode("utf-8")).hexdigest()[:12],
            pick=_picker({agent, *[place for _, place in sdk], *listed, *forwarded} - {-1}),
            user_agent=agent,
            sdk=tuple((self.clean(name, SDK_NAME_MAX), place) for name, place in sdk),
            referred="referer" in lower,
            x_forwarded_for=listed,
            forwarded=forwarded,
        )


class Desk:
    """What introductions share: how headers are read, whose word is taken, how networks are found."""

    __slots__ = ("find", "reader", "trusted")

    def __init__(self, reader: Reader, trusted: TrustedHops, find: Callable[[str], Network]) -> None:
        self.reader = reader
        self.trusted = trusted
        self.find = find

    def introduce(self, peer: str, greeting: Greeting) -> Callable[[Sequence[_Header], str], Client]:
        """Return what makes client contexts of the requests on one connection.

        ``peer`` is the socket's other end, or the source that a trusted hop's PROXY header told.
        The result takes header fields and the HTTP version.
        """
        return Introduction(self, peer, greeting).client


class Introduction:
    """The client contexts of one connection."""

    __slots__ = (
        "_client",
        "_desk",
        "_greeting",
        "_length",
        "_names",
        "_peer",
        "_pick",
        "_picked",
        "_version",
    )

    def __init__(self, desk: Desk, peer: str, greeting: Greeting) -> None:
        self._desk = desk
        self._peer = peer
        self._greeting = _clean_greeting(greeting, desk.reader)
        self._names = b""
        self._length = -1
        self._version = ""
        self._pick: Callable[[Sequence[_Header]], _Picked] = _pick_nothing
        self._picked: _Picked = ()
        self._client: Client | None = None

    def client(self, pairs: Sequence[_Header], http_version: str) -> Client:
        """Return the context of a request; the same object while nothing of it has changed."""
        names = b",".join(map(_name, pairs))
        held = self._client
        if (
            held is not None
            and names == self._names
            and len(pairs) == self._length
            and self._pick(pairs) == self._picked
            and http_version == self._version
        ):
            return held
        return self._renew(names, pairs, http_version)

    def _renew(self, names: bytes, pairs: Sequence[_Header], http_version: str) -> Client:
        reader = self._desk.reader
        layout = reader.layout(names, pairs)
        headers = reader.interpret(layout, pairs)
        found = resolve(self._peer, _claims(layout, pairs), self._desk.trusted)
        client = Client(
            network=self._desk.find(found.ip),
            greeting=self._greeting,
            http_version=http_version,
            header_names=headers.names,
            header_hash=headers.hash,
            user_agent=headers.user_agent,
            sdk=headers.sdk,
            forwarded=tuple(_clean_hop(hop, reader) for hop in found.chain),
            believed=found.believed,
        )
        picked = layout.pick(pairs)
        held = len(names) + sum([len(value) for _, value in picked]) <= _HELD_BYTES_MAX
        self._names, self._picked, self._client = (names, picked, client) if held else (b"", (), None)
        self._pick, self._length, self._version = layout.pick, layout.length, http_version
        return client


def _claims(layout: _Layout, pairs: Sequence[_Header]) -> Claims:
    return Claims(
        b",".join([pairs[place][1] for place in layout.x_forwarded_for]),
        b",".join([pairs[place][1] for place in layout.forwarded]),
    )


def _clean_hop(hop: str, reader: Reader) -> str:
    return hop if read_address(hop) else reader.clean(hop, 2 * SDK_NAME_MAX + 1)


def _clean_greeting(greeting: Greeting, reader: Reader) -> Greeting:
    name, alpn = reader.clean(greeting.server_name, 255), reader.clean(greeting.alpn, 128)
    if (name, alpn) == (greeting.server_name, greeting.alpn):
        return greeting
    return Greeting(greeting.ja4, greeting.tls_version, alpn, name)


def _names_sdk(name: str) -> bool:
    if name in _NAMED:
        return True
    return name.startswith(_PREFIXES) and _WITHHELD.isdisjoint(name.split("-"))


def _places(names: Sequence[str], wanted: str) -> tuple[int, ...]:
    return tuple(place for place, name in enumerate(names) if name == wanted)


def _picker(places: set[int]) -> Callable[[Sequence[_Header]], _Picked]:
    if not places:
        return _pick_nothing
    if len(places) == 1:
        (place,) = places
        return lambda pairs: (pairs[place],)
    return itemgetter(*sorted(places))


def _pick_nothing(_: Sequence[_Header]) -> _Picked:
    return ()


def _hold(held: dict[bytes, _T], raw: bytes, made: _T, *, most: int) -> None:
    if len(held) >= most:
        held.clear()
    held[raw] = made
