"""The grammar of Gemini's generateContent and its siblings."""

import msgspec
from msgspec import Raw, Struct

from chatelaine.core.grammar.reading import (
    as_list,
    choices,
    modalities,
    numbers,
    read_object,
    turns,
    whole,
)
from chatelaine.core.served import merge
from chatelaine.model.exchange import Modality, Served, Shape, Usage


class _Config(Struct, rename="camel"):
    max_output_tokens: object = None
    candidate_count: object = None
    temperature: object = None
    top_p: object = None
    top_k: object = None
    seed: object = None
    response_modalities: object = None


class _Request(Struct, rename="camel"):
    contents: Raw = Raw()
    content: Raw = Raw()
    system_instruction: Raw = Raw()
    generation_config: Raw = Raw()
    tools: Raw = Raw()


_REQUEST = msgspec.json.Decoder(_Request)
_CONFIG = msgspec.json.Decoder(_Config)
_NO_CONFIG = _Config()


def read_request(body: bytes) -> Shape:
    """Read a request of this grammar; its model and whether it streams stand in the path.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    asked = read_object(_REQUEST, body)
    raw = asked.contents or asked.content
    messages = as_list(raw)
    last, _, empty = turns(messages, "model")
    config = _config(asked.generation_config)
    fields = {
        "maxOutputTokens": config.max_output_tokens,
        "candidateCount": config.candidate_count,
        "temperature": config.temperature,
        "topP": config.top_p,
        "topK": config.top_k,
        "seed": config.seed,
    }
    return Shape(
        output_cap=whole(config.max_output_tokens),
        choices=choices(config.candidate_count),
        numbers=numbers(fields),
        modalities=modalities(bytes(raw), _asked_for(config)),
        tools=len(as_list(asked.tools)),
        system=bytes(asked.system_instruction),
        messages=messages,
        last_assistant=last,
        empty=empty,
    )


def _config(raw: Raw) -> _Config:
    try:
        return _CONFIG.decode(raw or b"{}")
    except msgspec.MsgspecError:
        return _NO_CONFIG


def _asked_for(config: _Config) -> tuple[Modality, ...]:
    wanted = config.response_modalities if isinstance(config.response_modalities, list) else []
    named = {"IMAGE": Modality.IMAGE, "AUDIO": Modality.AUDIO, "VIDEO": Modality.VIDEO}
    return (Modality.TEXT, *(named[one] for one in wanted if isinstance(one, str) and one in named))


class _Usage(Struct, rename="camel"):
    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None


class _Candidate(Struct, rename="camel"):
    finish_reason: str | None = None


class _Feedback(Struct, rename="camel"):
    block_reason: str | None = None


class _Error(Struct):
    status: str | None = None


class _Reply(Struct, rename="camel"):
    usage_metadata: _Usage | None = None
    model_version: str | None = None
    response_id: str | None = None
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    error: _Error | None = None


_REPLY = msgspec.json.Decoder(_Reply)
_REPLIES = msgspec.json.Decoder(list[_Reply])
_NOTHING = Served()


def read_reply(body: bytes) -> Served:
    """Read a reply, one event of a streamed one, or the array a stream without ``alt=sse`` is."""
    try:
        if body.lstrip()[:1] == b"[":
            served = _NOTHING
            for part in _REPLIES.decode(body):
                served = merge(served, _served(part))
            return served
        return _served(_REPLY.decode(body))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _NOTHING


def _served(told: _Reply) -> Served:
    blocked = told.prompt_feedback.block_reason if told.prompt_feedback is not None else None
    first = told.candidates[0] if told.candidates else None
    return Served(
        _usage(told.usage_metadata) if told.usage_metadata is not None else None,
        told.model_version or "",
        told.response_id or "",
        (first.finish_reason if first is not None else None) or "",
        (told.error.status or "error")[:64] if told.error is not None else "",
        (("prompt", blocked[:16]),) if blocked else (),
    )


def _usage(told: _Usage) -> Usage:
    thoughts = told.thoughts_token_count or 0
    return Usage(
        input_tokens=(told.prompt_token_count or 0) + (told.tool_use_prompt_token_count or 0),
        output_tokens=(told.candidates_token_count or 0) + thoughts,
        cached_tokens=told.cached_content_token_count or 0,
        reasoning_tokens=thoughts,
    )
