"""The grammar of Bedrock's InvokeModel: each family of models has a body of its own.

Anthropic, Nova, Titan, Llama, Mistral, Cohere and Stability are told apart by their fields alone,
since the path may hold an alias. Where several caps stand in a body, the largest is believed.
"""

from typing import Final

import msgspec

from chatelaine.core.grammar import anthropic, converse, openai_reply
from chatelaine.core.grammar.message import (
    Kinds,
    as_messages,
    find_last,
    find_modalities,
    is_empty,
    kind_of_part,
)
from chatelaine.core.grammar.reading import (
    Fields,
    cap,
    choices,
    items,
    members,
    numbers,
    raw_text,
    read_fields,
    text,
)
from chatelaine.core.grammar.told import count, label, length, member, read_object
from chatelaine.core.grammar.wire import InvokeEvent, InvokeReply
from chatelaine.model.exchange import Modality, Served, Shape, Usage

_KINDS: Final[Kinds] = (
    (kind_of_part(rb"image(?:_url)?"), Modality.IMAGE),
    (kind_of_part(rb"audio"), Modality.AUDIO),
    (kind_of_part(rb"video"), Modality.VIDEO),
    (kind_of_part(rb"document"), Modality.DOCUMENT),
)
_IMAGE: Final = (Modality.IMAGE, Modality.TEXT)
_CAPS: Final = ("max_tokens", "max_tokens_to_sample", "max_gen_len", "maxTokens")
_CONFIGURED: Final = ("maxTokens", "max_new_tokens", "maxTokenCount")
_NESTED: Final = (b'"maxTokens"', b'"max_new_tokens"', b'"maxTokenCount"')
_SPOKEN: Final = ("messages", "prompt", "inputText", "message", "text_prompts", "textToImageParams")


def read_request(body: bytes) -> Shape:
    """Read a request of this grammar.

    Raises:
        BodyUnreadable: it is no JSON object, or can be read in two ways.
    """
    fields, hidden = read_fields(body, nested=_NESTED)
    said = next((fields[name] for name in _SPOKEN if name in fields), None)
    messages = as_messages(said)
    config = members(fields.get("inferenceConfig") or fields.get("textGenerationConfig"))
    pictures = members(fields.get("imageGenerationConfig"))
    images = _images(fields, pictures)
    modalities = find_modalities(messages, _KINDS, hidden=hidden)
    return Shape(
        output_cap=cap(*map(fields.get, _CAPS), *map(config.get, _CONFIGURED)),
        numbers=numbers(fields, config, pictures),
        modalities=_IMAGE if images else modalities,
        tools=items(fields.get("tools")),
        images=images,
        end_user=text(members(fields.get("metadata")).get("user_id")),
        system=raw_text(fields.get("system")),
        messages=messages,
        last_assistant=find_last(messages, "assistant"),
        empty=is_empty(said, messages),
    )


def _images(fields: Fields, pictures: Fields) -> int:
    if pictures or "taskType" in fields:
        return choices(pictures.get("numberOfImages"))
    return choices(fields.get("samples")) if "text_prompts" in fields else 0


_REPLY: Final = msgspec.json.Decoder(InvokeReply)


def read_reply(body: bytes) -> Served:
    """Read a whole reply of any family.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    served = anthropic.read_reply(body)
    try:
        told = _REPLY.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return served
    usage = _usage(told)
    images = len(told.images or told.artifacts or ())
    if images:
        usage = msgspec.structs.replace(usage or Usage(), images=images)
    return msgspec.structs.replace(
        served,
        usage=usage,
        finish=served.finish or _finish(told),
        error_code=served.error_code or converse.read_error(told.kind, told.message),
        output_bytes=0 if usage else served.output_bytes + _written(told),
    )


def _usage(told: InvokeReply) -> Usage | None:
    if isinstance(told.usage, dict):
        for read in (anthropic.read_usage, converse.read_usage, openai_reply.read_usage):
            usage = read(told.usage)
            if usage is not None and (usage.input_tokens or usage.output_tokens):
                return usage
    if told.prompt_token_count is not None:
        return Usage(count(told.prompt_token_count), count(told.generation_token_count))
    if told.titan_input is not None:
        results = told.results if isinstance(told.results, list) else []
        return Usage(count(told.titan_input), sum(count(member(one, "tokenCount")) for one in results))
    return None


def _finish(told: InvokeReply) -> str:
    results = told.results if isinstance(told.results, list) and told.results else [None]
    return label(member(results[0], "completionReason"))


def _written(told: InvokeReply) -> int:
    results = [one for many in (told.results, told.outputs) if isinstance(many, list) for one in many]
    texts = [text for one in results for text in (member(one, "outputText"), member(one, "text"))]
    return length(told.generation, *texts)


_EVENT: Final = msgspec.json.Decoder(InvokeEvent).decode


def read_event(data: bytes, name: str) -> Served | None:
    """Read one event of any family's stream; Bedrock adds its own count to the last.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    served = anthropic.read_event(data, name)
    told = read_object(_EVENT, data, what="event")
    if served is None:
        return None
    outputs = told.outputs if isinstance(told.outputs, list) else []
    written = length(
        told.generation, told.output_text, told.text, member(member(told.block, "delta"), "text")
    )
    written += sum(length(member(one, "text")) for one in outputs)
    return msgspec.structs.replace(
        served,
        usage=served.usage or converse.read_usage(member(told.metadata, "usage")),
        error_code=label(name) if name.endswith("Exception") else served.error_code,
        output_bytes=served.output_bytes + written,
    )
