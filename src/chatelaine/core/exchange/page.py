"""The routes as a page of the docs, drawn from the cards."""

from collections.abc import Iterable

from chatelaine.model.provider import ProviderCard, RouteCard

_HEAD = """# Routes

What each provider's card names. A path that no card names is refused (`403`, recorded) unless
`gate.unknown_routes` is `allow`. Where two dialects share a path, a header tells them apart. Grants speak of
*operations*: `file` is what a provider keeps for its caller, `list` reads, cancels or deletes what is there
and costs nothing. A form is `multipart/form-data`; its fields are read as it passes, and any other body is
refused there (`415`). What is read by a grammar goes upstream as `application/json`.

This page is written by `chatelaine.core.exchange.page` and a test keeps it current.
"""


def routes_page(cards: Iterable[ProviderCard]) -> str:
    """Return the page, one table a provider, ending in a line end."""
    return "\n".join([_HEAD, *(_section(card) for card in cards)])


def _section(card: ProviderCard) -> str:
    rows = [_row(route) for route in card.routes]
    lines = [
        f"## {card.id}",
        "",
        f"{card.title}. Key sent upstream in `{card.credential_header}`.",
        "",
        "| method | path | operation | body | when |",
        "|---|---|---|---|---|",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def _row(route: RouteCard) -> str:
    when = f"`{route.when_header}` is sent" if route.when_header else ""
    return f"| {route.method} | `{route.path}` | {route.operation.value} | {_body(route)} | {when} |"


def _body(route: RouteCard) -> str:
    if route.websocket:
        return "WebSocket"
    if route.upload:
        return "form, passed through"
    return f"read as `{route.grammar}`" if route.grammar else "not read"
