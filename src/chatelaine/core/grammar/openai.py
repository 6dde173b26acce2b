"""The grammar of OpenAI, Azure OpenAI and every server compatible with them.

One reading serves chat, completions, Responses, embeddings, images, speech and batches: their
fields do not contradict each other.
"""

import msgspec
from msgspec import Raw, Struct

from chatelaine.core.grammar.reading import (
    as_list,
    blank,
    choices,
    modalities,
    numbers,
    read_object,
    text,
    turns,
    whole,
)
from chatelaine.model.exchange import Modality, Served, Shape, Usage


class _Request(Struct):
    model: object = None
    stream: object = None
    max_tokens: object = None
    max_completion_tokens: object = None
    max_output_tokens: object = None
    n: object = None
    best_of: object = None
    temperature: object = None
    top_p: object = None
    seed: object = None
    presence_penalty: object = None
    frequency_penalty: object = None
    logprobs: object = None
    top_logprobs: object = None
    store: object = None
    background: object = None
    user: object = None
    safety_identifier: object = None
    instructions: Raw = Raw()
    messages: Raw = Raw()
    input: Raw = Raw()
    prompt: Raw = Raw()
    tools: Raw = Raw()
    modalities: object = None
    voice: object = None


_REQUEST = msgspec.json.Decoder(_Request)


def read_request(body: bytes) -> Shape:
    """Read a request of this grammar.

    Raises:
        BodyUnreadable: it is no JSON object, or ambiguous.
    """
    asked = read_object(_REQUEST, body)
    raw = asked.messages or asked.input or asked.prompt
    messages = as_list(raw)
    last, system, empty = turns(messages, "assistant")
    caps = [
        cap
        for cap in map(whole, (asked.max_tokens, asked.max_completion_tokens, asked.max_output_tokens))
        if cap is not None
    ]
    answers = max(choices(asked.n), choices(asked.best_of))
    return Shape(
        text(asked.model),
        asked.stream is True,
        max(caps) if caps else None,
        answers,
        _numbers(asked),
        modalities(bytes(raw), _asked_for(asked)) if asked.messages or asked.input else (Modality.TEXT,),
        len(as_list(asked.tools)),
        answers if asked.prompt and not asked.messages else 0,
        0,
        text(asked.safety_identifier) or text(asked.user),
        system or bytes(asked.instructions),
        messages,
        last,
        empty or blank(bytes(raw)),
    )


def _asked_for(asked: _Request) -> tuple[Modality, ...]:
    if isinstance(asked.modalities, list) and "audio" in asked.modalities:
        return (Modality.TEXT, Modality.AUDIO)
    return (Modality.TEXT, Modality.AUDIO) if isinstance(asked.voice, str) else (Modality.TEXT,)


def _numbers(asked: _Request) -> tuple[tuple[str, float], ...]:
    return numbers(
        {
            name: value
            for name, value in (
                ("max_tokens", asked.max_tokens),
                ("max_completion_tokens", asked.max_completion_tokens),
                ("max_output_tokens", asked.max_output_tokens),
                ("n", asked.n),
                ("best_of", asked.best_of),
                ("temperature", asked.temperature),
                ("top_p", asked.top_p),
                ("seed", asked.seed),
                ("presence_penalty", asked.presence_penalty),
                ("frequency_penalty", asked.frequency_penalty),
                ("logprobs", asked.logprobs),
                ("top_logprobs", asked.top_logprobs),
                ("store", asked.store),
                ("background", asked.background),
            )
            if value is not None
        }
    )


class _Details(Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    input_token_details: _Details | None = None
    output_tokens_details: _Details | None = None
    output_token_details: _Details | None = None


class _Choice(Struct):
    finish_reason: str | None = None
    content_filter_results: Raw = Raw()


class _Error(Struct):
    code: object = None
    type: object = None


class _Image(Struct):
    b64_json: Raw = Raw()
    url: Raw = Raw()


class _Reply(Struct):
    id: str | None = None
    model: str | None = None
    usage: _Usage | None = None
    choices: list[_Choice] | None = None
    status: str | None = None
    error: _Error | None = None
    response: "_Reply | None" = None
    prompt_filter_results: list[_Choice] | None = None


class _Images(Struct):
    data: list[_Image]


_REPLY = msgspec.json.Decoder(_Reply)
_IMAGES = msgspec.json.Decoder(_Images)
_NOTHING = Served()


def read_reply(body: bytes) -> Served:
    """Read a reply, or one event of a streamed one; what cannot be read says nothing."""
    try:
        told = _REPLY.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _NOTHING
    if told.response is not None:
        told = told.response
    first = told.choices[0] if told.choices else None
    usage = _usage(told.usage) if told.usage is not None else None
    if b'"b64_json"' in body or b'"url"' in body:
        usage = _with_images(body, usage)
    return Served(
        usage,
        told.model or "",
        told.id or "",
        (first.finish_reason or "" if first is not None else "") or told.status or "",
        _error_code(told.error),
        _filters(told) if b"content_filter" in body or b"filter_results" in body else (),
    )


def _usage(told: _Usage) -> Usage:
    read = told.prompt_tokens_details or told.input_tokens_details or told.input_token_details
    wrote = told.completion_tokens_details or told.output_tokens_details or told.output_token_details
    return Usage(
        told.prompt_tokens or told.input_tokens or 0,
        told.completion_tokens or told.output_tokens or 0,
        read.cached_tokens or 0 if read is not None else 0,
        0,
        wrote.reasoning_tokens or 0 if wrote is not None else 0,
        read.audio_tokens or 0 if read is not None else 0,
        wrote.audio_tokens or 0 if wrote is not None else 0,
        0,
        round(told.seconds or 0),
    )


def _with_images(body: bytes, usage: Usage | None) -> Usage | None:
    try:
        count = sum(1 for image in _IMAGES.decode(body).data if image.b64_json or image.url)
    except (msgspec.MsgspecError, RecursionError):
        return usage
    return msgspec.structs.replace(usage or Usage(), images=count) if count else usage


def _error_code(error: _Error | None) -> str:
    if error is None:
        return ""
    code = error.code if isinstance(error.code, str) and error.code else error.type
    return code[:64] if isinstance(code, str) else str(code)[:64] if code is not None else "error"


class _Verdict(Struct):
    filtered: object = None
    detected: object = None
    severity: object = None


_VERDICTS = msgspec.json.Decoder(dict[str, _Verdict])


def _filters(told: _Reply) -> tuple[tuple[str, str], ...]:
    """Return Azure's filter results: category, and its severity or that it was filtered."""
    found: dict[str, str] = {}
    for one in (*(told.prompt_filter_results or ()), *(told.choices or ())):
        try:
            verdicts = _VERDICTS.decode(one.content_filter_results or b"{}")
        except msgspec.MsgspecError:
            continue
        for category, verdict in verdicts.items():
            if verdict.filtered is True:
                found[category[:32]] = "filtered"
            elif verdict.detected is True:
                found.setdefault(category[:32], "detected")
            elif isinstance(verdict.severity, str) and verdict.severity != "safe":
                found.setdefault(category[:32], verdict.severity[:16])
    return tuple(sorted(found.items()))
