"""The grammar of Anthropic's Messages."""

import msgspec
from msgspec import Raw, Struct

from chatelaine.core.grammar.reading import as_list, modalities, numbers, read_object, text, turns, whole
from chatelaine.model.exchange import Served, Shape, Usage


class _Metadata(Struct):
    user_id: object = None


class _Request(Struct):
    model: object = None
    stream: object = None
    max_tokens: object = None
    max_tokens_to_sample: object = None
    temperature: object = None
    top_p: object = None
    top_k: object = None
    system: Raw = Raw()
    messages: Raw = Raw()
    tools: Raw = Raw()
    metadata: Raw = Raw()


_REQUEST = msgspec.json.Decoder(_Request)
_METADATA = msgspec.json.Decoder(_Metadata)


def read_request(body: bytes) -> Shape:
    """Read a request of this grammar.

    Raises:
        BodyUnreadable: it is no JSON object, or ambiguous.
    """
    asked = read_object(_REQUEST, body)
    messages = as_list(asked.messages)
    last, _, empty = turns(messages, "assistant")
    fields = {
        "max_tokens": asked.max_tokens,
        "max_tokens_to_sample": asked.max_tokens_to_sample,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "top_k": asked.top_k,
    }
    cap = whole(asked.max_tokens)
    return Shape(
        model=text(asked.model),
        stream=asked.stream is True,
        output_cap=cap if cap is not None else whole(asked.max_tokens_to_sample),
        numbers=numbers(fields),
        modalities=modalities(bytes(asked.messages)),
        tools=len(as_list(asked.tools)),
        end_user=_end_user(asked.metadata),
        system=bytes(asked.system),
        messages=messages,
        last_assistant=last,
        empty=empty,
    )


def _end_user(metadata: Raw) -> str:
    try:
        return text(_METADATA.decode(metadata or b"{}").user_id)
    except msgspec.MsgspecError:
        return ""


class _Usage(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Error(Struct):
    type: str | None = None


class _Delta(Struct):
    stop_reason: str | None = None


class _Metrics(Struct, rename="camel"):
    input_token_count: int = 0
    output_token_count: int = 0


class _Reply(Struct, rename={"metrics": "amazon-bedrock-invocationMetrics"}):
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None
    message: "_Reply | str | None" = None
    delta: _Delta | None = None
    error: _Error | None = None
    metrics: _Metrics | None = None


_REPLY = msgspec.json.Decoder(_Reply)
_NOTHING = Served()


def read_reply(body: bytes) -> Served:
    """Read a reply, or one event of a streamed one; what cannot be read says nothing."""
    try:
        told = _REPLY.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _NOTHING
    inner = told.message if isinstance(told.message, _Reply) else told
    usage = _usage(inner.usage or told.usage)
    if told.metrics is not None:
        usage = Usage(told.metrics.input_token_count, told.metrics.output_token_count)
    stop = told.delta.stop_reason if told.delta is not None else inner.stop_reason
    return Served(
        usage,
        inner.model or "",
        inner.id or "",
        stop or "",
        (told.error.type or "error")[:64] if told.error is not None else "",
    )


def _usage(told: _Usage | None) -> Usage | None:
    if told is None:
        return None
    read, wrote = told.cache_read_input_tokens or 0, told.cache_creation_input_tokens or 0
    # Anthropic counts cached tokens beside the input, ours are contained in it.
    return Usage((told.input_tokens or 0) + read + wrote, told.output_tokens or 0, read, wrote)
