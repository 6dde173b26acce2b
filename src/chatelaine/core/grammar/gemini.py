"""The grammar of Gemini: generateContent, embedContent and predict. The model stands in the path."""

import re
from typing import Final

import msgspec

from chatelaine.core.grammar.message import (
    Kinds,
    as_messages,
    find_last,
    find_modalities,
    is_empty,
    join,
)
from chatelaine.core.grammar.reading import (
    Fields,
    Value,
    cap,
    choices,
    items,
    members,
    numbers,
    raw_text,
    read_fields,
)
from chatelaine.core.grammar.told import (
    MOST_ID,
    Object,
    count,
    gather,
    label,
    length,
    member,
    read_object,
)
from chatelaine.core.grammar.wire import GeminiReply
from chatelaine.model.error import BodyUnreadable
from chatelaine.model.exchange import Modality, Served, Shape, Usage

_KINDS: Final[Kinds] = (
    (re.compile(rb'"image\\?/', re.IGNORECASE), Modality.IMAGE),
    (re.compile(rb'"audio\\?/', re.IGNORECASE), Modality.AUDIO),
    (re.compile(rb'"video\\?/', re.IGNORECASE), Modality.VIDEO),
    (re.compile(rb'"(?:application|text)\\?/', re.IGNORECASE), Modality.DOCUMENT),
)
_NESTED: Final = (b'"maxOutputTokens"', b'"max_output_tokens"', b'"candidateCount"')
_TEXT: Final[tuple[Modality, ...]] = (Modality.TEXT,)
_VECTORS: Final = (Modality.TEXT, Modality.VECTOR)
_IMAGES: Final = (Modality.IMAGE, Modality.TEXT)
_WANTED: Final = {"image": Modality.IMAGE, "audio": Modality.AUDIO, "video": Modality.VIDEO}
_HARMLESS: Final = frozenset({"NEGLIGIBLE", "HARM_PROBABILITY_UNSPECIFIED"})


def read_request(body: bytes) -> Shape:
    """Read a request for content.

    Raises:
        BodyUnreadable: it is no JSON object, or can be read in two ways.
    """
    fields, hidden = read_fields(body, nested=_NESTED)
    config = _either(fields, "generationConfig", "generation_config")
    said = fields.get("contents")
    messages = as_messages(said)
    modalities = find_modalities(messages, _KINDS, hidden=hidden)
    wanted = config.get("responseModalities") or config.get("response_modalities")
    return Shape(
        output_cap=cap(config.get("maxOutputTokens"), config.get("max_output_tokens")),
        choices=choices(config.get("candidateCount"), config.get("candidate_count")),
        numbers=numbers(config, members(config.get("thinkingConfig"))),
        modalities=join(modalities, _wanted(wanted)) if wanted else modalities,
        tools=items(fields.get("tools")),
        system=raw_text(fields.get("systemInstruction") or fields.get("system_instruction")),
        messages=messages,
        last_assistant=find_last(messages, "model"),
        empty=is_empty(said, messages),
    )


def read_embedding(body: bytes) -> Shape:
    """Read a request for embeddings, of one content or of a batch.

    Raises:
        BodyUnreadable: it is no JSON object, or can be read in two ways.
    """
    fields, _ = read_fields(body)
    said = fields.get("requests") or fields.get("content")
    return Shape(numbers=numbers(fields), modalities=_VECTORS, messages=as_messages(said))


def read_prediction(body: bytes) -> Shape:
    """Read a request for images.

    Raises:
        BodyUnreadable: it is no JSON object, or can be read in two ways.
    """
    fields, _ = read_fields(body, nested=(b'"sampleCount"',))
    parameters = members(fields.get("parameters"))
    wanted = choices(parameters.get("sampleCount"))
    return Shape(
        choices=wanted,
        numbers=numbers(parameters),
        modalities=_IMAGES,
        images=wanted * max(items(fields.get("instances")), 1),
        messages=as_messages(fields.get("instances")),
    )


def _either(fields: Fields, camel: str, snake: str) -> Fields:
    """Return the members of an object that may stand under two names (both are read by the provider).

    Raises:
        BodyUnreadable: it stands under both.
    """
    if camel in fields and snake in fields:
        raise BodyUnreadable(f"{camel} stands twice", clause="RFC 8259 §4")
    return members(fields.get(camel) or fields.get(snake))


def _wanted(names: Value) -> tuple[Modality, ...]:
    if not isinstance(names, list):
        return _TEXT
    told = [bytes(name).decode("utf-8", "replace").strip('"').lower() for name in names]
    return tuple(_WANTED[name] for name in told if name in _WANTED)


_REPLY: Final = msgspec.json.Decoder(GeminiReply).decode


def read_reply(body: bytes) -> Served:
    """Read a whole reply, or one of the values that a stream is made of.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    told = read_object(_REPLY, body, what="reply")
    candidates = told.candidates if isinstance(told.candidates, list) else []
    blocked = label(member(told.prompt_feedback, "blockReason"), most=16)
    images = len(told.predictions or ())
    return Served(
        Usage(images=images) if images else read_usage(told.usage_metadata),
        label(told.model_version),
        label(told.response_id, most=MOST_ID),
        next((label(found) for found in (member(one, "finishReason") for one in candidates) if found), ""),
        _error(told.error) if told.error is not None else "",
        gather(
            ((("prompt", blocked),) if blocked else ()),
            *(_ratings(one) for one in candidates),
            _ratings(told.prompt_feedback),
        ),
        sum(_written(one) for one in candidates),
    )


def read_event(data: bytes, name: str) -> Served | None:
    """Read one event of a streamed reply; its usage is cumulated.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    del name
    return read_reply(data)


def _error(told: object) -> str:
    return label(member(told, "status")) or label(member(told, "code")) or "error"


def _written(candidate: object) -> int:
    parts = member(member(candidate, "content"), "parts")
    return sum(length(member(part, "text")) for part in parts) if isinstance(parts, list) else 0


def _ratings(told: object) -> tuple[tuple[str, str], ...]:
    """Return the safety ratings that are not harmless: category, and its probability or ``blocked``."""
    ratings = member(told, "safetyRatings")
    found = []
    for rating in ratings if isinstance(ratings, list) else []:
        category = label(member(rating, "category"), most=32)
        probability = label(member(rating, "probability"), most=16)
        if member(rating, "blocked") is True:
            found.append((category, "blocked"))
        elif probability and probability not in _HARMLESS:
            found.append((category, probability.lower()))
    return tuple(found)


def read_usage(told: object) -> Usage | None:
    """Return a usage; what was thought, and what tools put into the prompt, is contained in it."""
    if not isinstance(told, dict):
        return None
    usage: Object = told
    thoughts = count(usage.get("thoughtsTokenCount"))
    return Usage(
        count(usage.get("promptTokenCount")) + count(usage.get("toolUsePromptTokenCount")),
        count(usage.get("candidatesTokenCount")) + thoughts,
        count(usage.get("cachedContentTokenCount")),
        0,
        thoughts,
    )
