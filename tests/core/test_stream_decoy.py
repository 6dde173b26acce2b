"""Decoys: a harmless text in every dialect, read back by our own grammars as any reply is."""

import pytest

from chatelaine.core.stream.decoy import Bait, can_decoy, write_decoy
from chatelaine.core.stream.frame import MessageDecoder, write_message
from chatelaine.core.stream.select import tap_for
from chatelaine.model.exchange import Operation, RouteMatch
from chatelaine.model.words import SECOND, ExchangeId, Instant, ProviderId

TEXT = "I can't help with that."
SSE = (("alt", "sse"),)


def route(
    provider: str, grammar: str, operation: Operation = Operation.CHAT, template: str = "/x"
) -> RouteMatch:
    return RouteMatch(ProviderId(provider), template, operation, grammar)


ROUTES = [
    route("openai", "openai"),
    route("azure", "openai"),
    route("openai", "openai", Operation.COMPLETION),
    route("openai", "openai", Operation.RESPONSE),
    route("anthropic", "anthropic"),
    route("gemini", "gemini"),
    RouteMatch(ProviderId("gemini"), "/x", Operation.CHAT, "gemini", query=SSE),
    route("bedrock", "converse"),
]


def bait(*, stream: bool) -> Bait:
    return Bait("gpt-4o", stream, TEXT, ExchangeId("0" * 24), Instant(1_700_000_000 * SECOND), 9)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("where", ROUTES, ids=lambda one: f"{one.provider}-{one.grammar}-{one.operation}")
def test_a_decoy_is_read_as_any_reply_of_its_dialect(where: RouteMatch, stream: bool) -> None:
    assert can_decoy(where)
    told = write_decoy(where, bait(stream=stream))
    kind = dict(told.headers)["content-type"]
    if where.grammar == "gemini" and stream and not where.query:
        assert told.body.startswith(b"[{")
        return
    tap = tap_for(kind, where.grammar, websocket=False)
    tap.feed(told.body)
    served = tap.served()
    assert TEXT.encode() in told.body
    assert served.error_code == ""
    finish = {"converse": "end_turn", "anthropic": "end_turn", "gemini": "STOP"}.get(where.grammar, "stop")
    assert served.finish == ("completed" if where.operation is Operation.RESPONSE else finish)
    assert served.model in {"gpt-4o", ""}


@pytest.mark.parametrize(
    ("provider", "told"),
    [
        ("openai", b'{"object":"list","data":[]}'),
        ("anthropic", b'{"data":[],"has_more":false,"first_id":null,"last_id":null}'),
        ("gemini", b'{"models":[]}'),
    ],
)
def test_a_list_of_models_is_empty(provider: str, told: bytes) -> None:
    listing = route(provider, "", Operation.LIST, "/v1/models")
    assert can_decoy(listing)
    assert write_decoy(listing, bait(stream=False)).body == told


@pytest.mark.parametrize(
    "where",
    [
        route("openai", "openai_image", Operation.IMAGE),
        route("openai", "openai_embedding", Operation.EMBEDDING),
        route("openai", "", Operation.LIST, "/v1/batches"),
        route("bedrock", "invoke"),
        RouteMatch(ProviderId("openai"), "/x", Operation.REALTIME, "openai", websocket=True),
        RouteMatch(ProviderId("openai"), "/x", Operation.CHAT, "openai", upload=True),
    ],
)
def test_what_has_no_text_to_give_has_no_decoy(where: RouteMatch) -> None:
    assert not can_decoy(where)


def test_a_message_that_is_written_is_read_back() -> None:
    headers = {":event-type": "metadata", ":message-type": "event"}
    assert MessageDecoder().feed(write_message(headers, b"{}") * 2) == [(headers, b"{}")] * 2
