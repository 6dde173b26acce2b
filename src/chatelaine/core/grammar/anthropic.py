"""The grammar of Anthropic's Messages, and of the completions before them."""

from typing import Final

import msgspec

from chatelaine.core.grammar.message import (
    Kinds,
    as_messages,
    find_last,
    find_modalities,
    is_empty,
    kind_of_part,
)
from chatelaine.core.grammar.reading import cap, items, members, numbers, raw_text, read_fields, text
from chatelaine.core.grammar.told import MOST_ID, count, label, length, member, read_object
from chatelaine.core.grammar.wire import AnthropicReply
from chatelaine.model.exchange import Modality, Served, Shape, Usage

_KINDS: Final[Kinds] = (
    (kind_of_part(rb"image"), Modality.IMAGE),
    (kind_of_part(rb"(?:document|container_upload)"), Modality.DOCUMENT),
)


def read_request(body: bytes) -> Shape:
    """Read a request of this grammar.

    Raises:
        BodyUnreadable: it is no JSON object, or can be read in two ways.
    """
    fields, hidden = read_fields(body)
    get = fields.get
    said = get("messages") if "messages" in fields else get("prompt")
    messages = as_messages(said)
    modalities = find_modalities(messages, _KINDS, hidden=hidden)
    return Shape(
        text(get("model")),
        get("stream") is True,
        cap(get("max_tokens"), get("max_tokens_to_sample")),
        1,
        numbers(fields, members(get("thinking"))) if "thinking" in fields else numbers(fields),
        modalities,
        items(get("tools")),
        0,
        0,
        text(members(get("metadata")).get("user_id")) if "metadata" in fields else "",
        raw_text(get("system")),
        messages,
        find_last(messages, "assistant"),
        is_empty(said, messages),
    )


_REPLY: Final = msgspec.json.Decoder(AnthropicReply).decode


def read_reply(body: bytes) -> Served:
    """Read a whole reply.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    told = read_object(_REPLY, body, what="reply")
    usage = read_usage(told.usage)
    return Served(
        usage,
        label(told.model),
        label(told.id, most=MOST_ID),
        label(told.stop_reason),
        _error(told) if told.type == "error" or told.error is not None else "",
        (),
        len(bytes(told.content)) + length(told.completion) if usage is None else 0,
    )


def read_event(data: bytes, name: str) -> Served | None:
    """Read one event of a streamed reply: usage stands in the first and, cumulated, near the last.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    del name
    told = read_object(_REPLY, data, what="reply")
    start = told.message if isinstance(told.message, dict) else {}
    delta = told.delta
    return Served(
        read_metrics(told.metrics) or read_usage(told.usage or start.get("usage")),
        label(start.get("model")) or label(told.model),
        label(start.get("id"), most=MOST_ID),
        label(member(delta, "stop_reason")) or label(told.stop_reason),
        _error(told) if told.type == "error" or told.error is not None else "",
        (),
        length(member(delta, "text"), member(delta, "partial_json"), member(delta, "thinking"))
        + length(told.completion),
    )


def _error(told: AnthropicReply) -> str:
    return label(member(told.error, "type")) or "error"


def read_usage(told: object) -> Usage | None:
    """Return a usage; the provider counts cached tokens beside the input, here they are contained in it."""
    if not isinstance(told, dict):
        return None
    read = count(told.get("cache_read_input_tokens"))
    wrote = count(told.get("cache_creation_input_tokens"))
    return Usage(
        count(told.get("input_tokens")) + read + wrote, count(told.get("output_tokens")), read, wrote
    )


def read_metrics(told: object) -> Usage | None:
    """Return the usage that Bedrock adds to the last event of any model's stream."""
    if not isinstance(told, dict):
        return None
    read = count(told.get("cacheReadInputTokenCount"))
    wrote = count(told.get("cacheWriteInputTokenCount"))
    return Usage(
        count(told.get("inputTokenCount")) + read + wrote, count(told.get("outputTokenCount")), read, wrote
    )
