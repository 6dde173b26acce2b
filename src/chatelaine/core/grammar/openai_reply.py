"""How OpenAI, Azure OpenAI and compatible servers reply: whole, in events, and over Realtime."""

from typing import Final

import msgspec

from chatelaine.core.grammar.told import (
    MOST_ID,
    Object,
    count,
    gather,
    label,
    length,
    member,
    members,
    read_object,
)
from chatelaine.core.grammar.wire import (
    ChatUsage,
    Choice,
    Details,
    OpenAIBare,
    OpenAIChat,
    OpenAIImages,
    OpenAIReply,
)
from chatelaine.model.error import BodyUnreadable
from chatelaine.model.exchange import Served, Usage

Filters = tuple[tuple[str, str], ...]

_NOTHING: Final = Served()
_UNFINISHED: Final = frozenset({"in_progress", "queued"})
_HARMLESS: Final = frozenset({"safe", "negligible"})


_NO_DETAILS: Final = Details()


_CHAT: Final = msgspec.json.Decoder(OpenAIChat)
_REPLY: Final = msgspec.json.Decoder(OpenAIReply)
_BARE: Final = msgspec.json.Decoder(OpenAIBare).decode
_IMAGES: Final = msgspec.json.Decoder(OpenAIImages)
_NO_CHOICES: Final[list[Choice]] = []


def _decode(body: bytes) -> tuple[OpenAIBare, list[Choice]]:
    try:
        told: OpenAIReply = _CHAT.decode(body)
    except msgspec.ValidationError:
        return _decode_leniently(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BodyUnreadable("the reply is not JSON", clause="RFC 8259") from error
    return told, told.choices or _NO_CHOICES


def _decode_leniently(body: bytes) -> tuple[OpenAIBare, list[Choice]]:
    """Decode a reply whose usage is not the chat interface's, or whose choices are odd."""
    try:
        told = _REPLY.decode(body)
    except msgspec.ValidationError:
        return read_object(_BARE, body, what="reply"), _NO_CHOICES
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BodyUnreadable("the reply is not JSON", clause="RFC 8259") from error
    return told, told.choices or _NO_CHOICES


def read_reply(body: bytes) -> Served:
    """Read a whole reply.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    told, choices = _decode(body)
    usage = read_usage(told.usage) if told.usage is not None else None
    if usage is None and told.duration is not None:
        usage = Usage(seconds=count(told.duration))
    written = 0
    if usage is None:
        written = sum(len(bytes(choice.message)) + length(choice.text) for choice in choices)
        written += len(bytes(told.output)) + length(told.text)
    return Served(
        usage,
        label(told.model),
        label(told.id, most=MOST_ID),
        _finish(choices) or label(told.status),
        read_error(told.error) if told.error is not None else "",
        _filters(told, choices),
        written,
    )


def read_event(data: bytes, name: str) -> Served | None:
    """Read one event of a streamed reply; None for the mark that ends it.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    del name
    if data == b"[DONE]":
        return None
    told, choices = _decode(data)
    if isinstance(told.response, dict):
        return _read_response(told.response, told.error)
    return Served(
        read_usage(told.usage) if told.usage is not None else None,
        label(told.model),
        label(told.id, most=MOST_ID) if choices else "",
        _finish(choices),
        read_error(told.error) if told.error is not None else "",
        _filters(told, choices),
        _written(told, choices),
    )


def _read_response(response: Object, error: object) -> Served:
    """Read the whole response that an event of the Responses API, or of Realtime, carries."""
    status = label(response.get("status"))
    reason = member(response.get("incomplete_details"), "reason")
    failed = response.get("error") or member(response.get("status_details"), "error") or error
    return Served(
        read_usage(response.get("usage")),
        label(response.get("model")),
        label(response.get("id"), most=MOST_ID),
        label(reason) or ("" if status in _UNFINISHED else status),
        read_error(failed) if failed is not None else "",
    )


def read_images(body: bytes) -> Served:
    """Read a whole reply that gives images.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    served = read_reply(body)
    try:
        given = len(_IMAGES.decode(body).data or ())
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        given = 0
    return with_images(served, given) if given else served


def with_images(served: Served, given: int) -> Served:
    """Return what a reply says with the number of images it gives."""
    usage = msgspec.structs.replace(served.usage or Usage(), images=given)
    return msgspec.structs.replace(served, usage=usage)


def read_image_event(data: bytes, name: str) -> Served | None:
    """Read one event of streamed images; the completed one is an image.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    served = read_event(data, name)
    done = name.endswith(".completed") or b'.completed"' in data[:512]
    return with_images(served, 1) if served is not None and done else served


def read_usage(told: object) -> Usage | None:
    """Return a usage by the names of any of OpenAI's interfaces; None where there is none."""
    if isinstance(told, ChatUsage):
        read, wrote = (
            told.prompt_tokens_details or _NO_DETAILS,
            told.completion_tokens_details or _NO_DETAILS,
        )
        return Usage(
            told.prompt_tokens,
            told.completion_tokens,
            read.cached_tokens,
            0,
            wrote.reasoning_tokens,
            read.audio_tokens,
            wrote.audio_tokens,
        )
    if not isinstance(told, dict):
        return None
    return _read_any_usage(told)


def _read_any_usage(told: Object) -> Usage:
    get = told.get
    heard = get("prompt_tokens_details") or get("input_tokens_details") or get("input_token_details")
    said = get("completion_tokens_details") or get("output_tokens_details") or get("output_token_details")
    return Usage(
        count(get("prompt_tokens")) or count(get("input_tokens")),
        count(get("completion_tokens")) or count(get("output_tokens")),
        count(member(heard, "cached_tokens")),
        0,
        count(member(said, "reasoning_tokens")),
        count(member(heard, "audio_tokens")),
        count(member(said, "audio_tokens")),
        0,
        count(get("seconds")),
    )


def _finish(choices: list[Choice]) -> str:
    for choice in choices:
        if choice.finish_reason is not None:
            return label(choice.finish_reason)
    return ""


def _written(told: OpenAIBare, choices: list[Choice]) -> int:
    """Return the bytes of text that one event adds."""
    written = length(told.delta)
    for choice in choices:
        delta = members(choice.delta)
        written += length(choice.text, delta.get("content"), delta.get("refusal"))
        written += length(delta.get("reasoning_content"), delta.get("reasoning"))
        calls = delta.get("tool_calls")
        if isinstance(calls, list):
            told_calls = (members(member(call, "function")) for call in calls)
            written += sum(length(call.get("name"), call.get("arguments")) for call in told_calls)
    return written


def read_error(told: object) -> str:
    """Return the code of an error; ``error`` where it has none."""
    if isinstance(told, str):
        return "error"
    return label(member(told, "code")) or label(member(told, "type")) or "error"


def _filters(told: OpenAIBare, choices: list[Choice]) -> Filters:
    """Return Azure's filter results that are not harmless, of prompt, choices and error."""
    results = [
        choice.content_filter_results for choice in choices if choice.content_filter_results is not None
    ]
    prompts = told.prompt_filter_results
    if isinstance(prompts, list):
        results += [member(prompt, "content_filter_results") for prompt in prompts]
    if told.error is not None:
        results.append(member(member(told.error, "innererror"), "content_filter_result"))
        results.append(member(told.error, "content_filter_result"))
    return gather(*(_verdicts(members(result)) for result in results)) if results else ()


def _verdicts(results: Object) -> Filters:
    found = []
    for category, verdict in results.items():
        severity = member(verdict, "severity")
        if member(verdict, "filtered") is True:
            found.append((label(category, most=32), "filtered"))
        elif isinstance(severity, str) and severity not in _HARMLESS:
            found.append((label(category, most=32), label(severity, most=16)))
        elif member(verdict, "detected") is True:
            found.append((label(category, most=32), "detected"))
    return tuple(found)
