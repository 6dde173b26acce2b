"""The decoy lane's answers: a fixed, harmless text in the caller's dialect, whole or streamed.

They look like any short answer of the model that was asked for. Nothing of the request stands in them
but that model's name.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from chatelaine.core.stream.frame import write_message
from chatelaine.model.exchange import Operation, RouteMatch
from chatelaine.model.provider import RefusedReply
from chatelaine.model.words import SECOND, ExchangeId, Instant

_encode: Final = msgspec.json.Encoder().encode
_JSON: Final = (("content-type", "application/json"),)
_EVENTS: Final = (("content-type", "text/event-stream; charset=utf-8"), ("cache-control", "no-cache"))
_FRAMES: Final = (("content-type", "application/vnd.amazon.eventstream"),)
_BYTES_A_TOKEN: Final = 4
_LISTS: Final[dict[str, dict[str, object]]] = {
    "openai": {"object": "list", "data": []},
    "azure": {"object": "list", "data": []},
    "anthropic": {"data": [], "has_more": False, "first_id": None, "last_id": None},
    "gemini": {"models": []},
}

_Event = dict[str, object]


class Bait(NamedTuple):
    """What a decoy is written from."""

    model: str
    stream: bool
    text: str
    exchange: ExchangeId
    at: Instant
    given: int
    """Tokens of the request, as estimated."""

    @property
    def made(self) -> int:
        """Tokens of the answer, about."""
        return len(self.text) // _BYTES_A_TOKEN + 1

    @property
    def created(self) -> int:
        """The instant in seconds."""
        return self.at // SECOND


def can_decoy(route: RouteMatch) -> bool:
    """Tell whether the decoy lane has an answer for a route; what has none is refused as restrained."""
    if route.websocket or route.upload:
        return False
    return _lists_models(route) or (route.grammar, route.operation) in _WRITERS


def write_decoy(route: RouteMatch, bait: Bait) -> RefusedReply:
    """Return the decoy for a route that has one."""
    if _lists_models(route):
        return RefusedReply(_JSON, _encode(_LISTS[route.provider]))
    return _WRITERS[route.grammar, route.operation](route, bait)


def _lists_models(route: RouteMatch) -> bool:
    listed = route.operation is Operation.LIST and route.template.endswith("/models")
    return listed and route.provider in _LISTS


def _events(events: list[_Event], *, named: bool, last: bytes = b"") -> RefusedReply:
    parts = [
        b"%bdata: %b\n\n" % (b"event: %b\n" % str(one["type"]).encode() if named else b"", _encode(one))
        for one in events
    ]
    return RefusedReply(_EVENTS, b"".join(parts) + last)


def _chat(route: RouteMatch, bait: Bait) -> RefusedReply:
    del route
    answer = {"role": "assistant", "content": bait.text}
    if not bait.stream:
        choice = {
            "index": 0,
            "message": answer | {"refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
        return RefusedReply(_JSON, _encode(_completion(bait, "chat.completion", choice, usage=True)))
    deltas: list[tuple[dict[str, str], str | None]] = [
        ({"role": "assistant", "content": ""}, None),
        ({"content": bait.text}, None),
        ({}, "stop"),
    ]
    events = [
        _completion(
            bait,
            "chat.completion.chunk",
            {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish},
            usage=False,
        )
        for delta, finish in deltas
    ]
    return _events(events, named=False, last=b"data: [DONE]\n\n")


def _text(route: RouteMatch, bait: Bait) -> RefusedReply:
    del route
    choice = {"text": bait.text, "index": 0, "logprobs": None, "finish_reason": "stop"}
    told = _completion(bait, "text_completion", choice, usage=not bait.stream)
    if bait.stream:
        return _events([told], named=False, last=b"data: [DONE]\n\n")
    return RefusedReply(_JSON, _encode(told))


def _completion(bait: Bait, kind: str, choice: Mapping[str, object], *, usage: bool) -> _Event:
    told: _Event = {
        "id": f"{'cmpl' if kind == 'text_completion' else 'chatcmpl'}-{bait.exchange}",
        "object": kind,
        "created": bait.created,
        "model": bait.model,
        "choices": [choice],
    }
    if usage:
        told["usage"] = {
            "prompt_tokens": bait.given,
            "completion_tokens": bait.made,
            "total_tokens": bait.given + bait.made,
        }
    return told


def _response(route: RouteMatch, bait: Bait) -> RefusedReply:
    del route
    part: _Event = {"type": "output_text", "text": bait.text, "annotations": []}
    item: _Event = {
        "id": f"msg_{bait.exchange}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }
    done = _responded(bait, "completed", [item])
    if not bait.stream:
        return RefusedReply(_JSON, _encode(done))
    begun = item | {"status": "in_progress", "content": []}
    at: _Event = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    told: list[_Event] = [
        {"type": "response.created", "response": _responded(bait, "in_progress", [])},
        {"type": "response.in_progress", "response": _responded(bait, "in_progress", [])},
        {"type": "response.output_item.added", "output_index": 0, "item": begun},
        {"type": "response.content_part.added", **at, "part": part | {"text": ""}},
        {"type": "response.output_text.delta", **at, "delta": bait.text, "logprobs": []},
        {"type": "response.output_text.done", **at, "text": bait.text, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": done},
    ]
    return _events([one | {"sequence_number": place} for place, one in enumerate(told)], named=True)


def _responded(bait: Bait, status: str, output: list[_Event]) -> _Event:
    usage = {
        "input_tokens": bait.given,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": bait.made,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": bait.given + bait.made,
    }
    return {
        "id": f"resp_{bait.exchange}",
        "object": "response",
        "created_at": bait.created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": bait.model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage if output else None,
    }


def _message(route: RouteMatch, bait: Bait) -> RefusedReply:
    del route
    block = {"type": "text", "text": bait.text}
    told: _Event = {
        "id": f"msg_{bait.exchange}",
        "type": "message",
        "role": "assistant",
        "model": bait.model,
        "content": [block],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": bait.given, "output_tokens": bait.made},
    }
    if not bait.stream:
        return RefusedReply(_JSON, _encode(told))
    begun = told | {
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": bait.given, "output_tokens": 1},
    }
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    events: list[_Event] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": block | {"text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": bait.text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ending, "usage": {"output_tokens": bait.made}},
        {"type": "message_stop"},
    ]
    return _events(events, named=True)


def _gemini(route: RouteMatch, bait: Bait) -> RefusedReply:
    content = {"parts": [{"text": bait.text}], "role": "model"}
    told: _Event = {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {
            "promptTokenCount": bait.given,
            "candidatesTokenCount": bait.made,
            "totalTokenCount": bait.given + bait.made,
        },
        "modelVersion": bait.model,
        "responseId": bait.exchange,
    }
    if not bait.stream:
        return RefusedReply(_JSON, _encode(told))
    if ("alt", "sse") in route.query:
        return _events([told], named=False)
    return RefusedReply(_JSON, _encode([told]))


def _converse(route: RouteMatch, bait: Bait) -> RefusedReply:
    del route
    usage = {
        "inputTokens": bait.given,
        "outputTokens": bait.made,
        "totalTokens": bait.given + bait.made,
    }
    if not bait.stream:
        message = {"role": "assistant", "content": [{"text": bait.text}]}
        told: _Event = {
            "output": {"message": message},
            "stopReason": "end_turn",
            "usage": usage,
            "metrics": {"latencyMs": 412},
        }
        return RefusedReply(_JSON, _encode(told))
    events: list[tuple[str, _Event]] = [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": bait.text}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": usage, "metrics": {"latencyMs": 412}}),
    ]
    return RefusedReply(_FRAMES, b"".join(_frame(kind, one) for kind, one in events))


def _frame(kind: str, told: _Event) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return write_message(headers, _encode(told))


_WRITERS: Final[dict[tuple[str, Operation], Callable[[RouteMatch, Bait], RefusedReply]]] = {
    ("openai", Operation.CHAT): _chat,
    ("openai", Operation.COMPLETION): _text,
    ("openai", Operation.RESPONSE): _response,
    ("anthropic", Operation.CHAT): _message,
    ("gemini", Operation.CHAT): _gemini,
    ("converse", Operation.CHAT): _converse,
}
