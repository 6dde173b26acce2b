"""The grammar of Bedrock's Converse. The model, and whether it streams, stand in the path."""

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
from chatelaine.core.grammar.reading import cap, items, members, numbers, raw_text, read_fields
from chatelaine.core.grammar.told import count, label, length, member, read_object
from chatelaine.core.grammar.wire import ConverseReply
from chatelaine.model.exchange import Modality, Served, Shape, Usage

_KINDS: Final[Kinds] = (
    (kind_of_part(rb"image"), Modality.IMAGE),
    (kind_of_part(rb"audio"), Modality.AUDIO),
    (kind_of_part(rb"video"), Modality.VIDEO),
    (kind_of_part(rb"document"), Modality.DOCUMENT),
)
_NESTED: Final = (b'"maxTokens"',)


def read_request(body: bytes) -> Shape:
    """Read a request of this grammar.

    Raises:
        BodyUnreadable: it is no JSON object, or can be read in two ways.
    """
    fields, hidden = read_fields(body, nested=_NESTED)
    said = fields.get("messages")
    messages = as_messages(said)
    config = members(fields.get("inferenceConfig"))
    more = members(fields.get("additionalModelRequestFields"))
    modalities = find_modalities(messages, _KINDS, hidden=hidden)
    # Fields that go to the model as they are may set another cap, each model in its own name.
    capped = not any("max" in name.lower() for name in more)
    return Shape(
        output_cap=cap(config.get("maxTokens")) if capped else None,
        numbers=numbers(config, more),
        modalities=modalities,
        tools=items(members(fields.get("toolConfig")).get("tools")),
        system=raw_text(fields.get("system")),
        messages=messages,
        last_assistant=find_last(messages, "assistant"),
        empty=is_empty(said, messages),
    )


_REPLY: Final = msgspec.json.Decoder(ConverseReply).decode


def read_reply(body: bytes) -> Served:
    """Read a whole reply.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    told = read_object(_REPLY, body, what="reply")
    usage = read_usage(told.usage)
    return Served(
        usage,
        finish=label(told.stop_reason),
        error_code=read_error(told.kind, told.message or told.capital),
        output_bytes=len(bytes(told.output)) if usage is None else 0,
    )


def read_event(data: bytes, name: str) -> Served | None:
    """Read the payload of one message of a streamed reply.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    told = read_object(_REPLY, data, what="reply")
    delta = told.delta
    written = length(member(delta, "text"), member(member(delta, "toolUse"), "input"))
    return Served(
        read_usage(told.usage),
        finish=label(told.stop_reason),
        error_code=label(name) if name.endswith("Exception") else "",
        output_bytes=written + length(member(member(delta, "reasoningContent"), "text")),
    )


def read_error(kind: object, message: object) -> str:
    """Return the code of an error reply, whose name may stand in a header alone; "" where it is none."""
    if isinstance(kind, str):
        return label(kind.rpartition("#")[2])
    return "error" if isinstance(message, str) else ""


def read_usage(told: object) -> Usage | None:
    """Return a usage; the provider counts cached tokens beside the input, here they are contained in it."""
    if not isinstance(told, dict):
        return None
    read = count(told.get("cacheReadInputTokens"))
    wrote = count(told.get("cacheWriteInputTokens"))
    return Usage(count(told.get("inputTokens")) + read + wrote, count(told.get("outputTokens")), read, wrote)
