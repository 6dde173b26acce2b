"""The cards of the providers shelf: what a human governs about a dialect of the wire."""

from dataclasses import dataclass

from chatelaine.model.exchange import Operation
from chatelaine.model.words import ProviderId


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteCard:
    """One route of a dialect, keyed on the shape of its path.

    ``{name}`` in ``path`` stands for one segment, percent-encoded slashes included;
    ``{model}`` and ``{deployment}`` name the model. A segment may end in a literal
    (``{model}:generateContent``).
    """

    method: str
    path: str
    operation: Operation
    grammar: str = ""
    stream: bool | None = None
    upload: bool = False
    """True where the body is a form (``multipart/form-data``) that streams through without being held."""
    websocket: bool = False
    when_header: str = ""
    """Lower-case header that must be present for this route, where two dialects share a path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCard:
    """One provider: its routes and how it wants its key."""

    id: ProviderId
    title: str
    version: int
    credential_header: str
    """The header that carries the provider key upstream, lower case."""
    credential_prefix: str = ""
    """What stands before the key in that header: ``Bearer ``."""
    default_url: str = ""
    routes: tuple[RouteCard, ...]


@dataclass(frozen=True, slots=True)
class RefusedReply:
    """A refusal written in a dialect: the headers it needs beyond length and date, and its body."""

    headers: tuple[tuple[str, str], ...]
    body: bytes
