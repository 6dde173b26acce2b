"""The grammars by the names that route cards use."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from chatelaine.core.grammar import (
    anthropic,
    anthropic_batch,
    converse,
    gemini,
    invoke,
    openai,
    openai_media,
    openai_reply,
    plain,
)
from chatelaine.model.exchange import Served, Shape


class Grammar(NamedTuple):
    """One grammar: how requests, replies and events are read, and how events are recognised unread."""

    read_request: Callable[[bytes], Shape]
    """Raises BodyUnreadable for what is no JSON object, or can be read in two ways."""
    read_reply: Callable[[bytes], Served]
    """Raises BodyUnreadable for what is no JSON object."""
    read_event: Callable[[bytes, str], Served | None]
    """Reads an event by its data and name; None where it says nothing; raises BodyUnreadable."""
    mark: bytes = b""
    """Stands once in each event that carries text; empty where every event is read."""
    needles: tuple[bytes, ...] = ()
    """Each stands in an event that says more than text, although it carries the mark."""
    part: bytes = b""
    """Stands once for each image in a reply too large to be read."""


_OPENAI_NEEDLES: Final = (b'okens"', b'filtered"')

GRAMMARS: Final[Mapping[str, Grammar]] = {
    "openai": Grammar(
        openai.read_request,
        openai_reply.read_reply,
        openai_reply.read_event,
        b'"delta"',
        _OPENAI_NEEDLES,
    ),
    "openai_embedding": Grammar(
        openai_media.read_embedding, openai_reply.read_reply, openai_reply.read_event
    ),
    "openai_image": Grammar(
        openai_media.read_image,
        openai_reply.read_images,
        openai_reply.read_image_event,
        part=b'"b64_json"',
    ),
    "openai_speech": Grammar(
        openai_media.read_speech, openai_reply.read_reply, openai_reply.read_event, b'"delta"', (b'okens"',)
    ),
    "anthropic": Grammar(
        anthropic.read_request, anthropic.read_reply, anthropic.read_event, b'"delta"', (b'okens"',)
    ),
    "anthropic_batch": Grammar(anthropic_batch.read_request, plain.read_reply, plain.read_event),
    "gemini": Grammar(
        gemini.read_request,
        gemini.read_reply,
        gemini.read_event,
        b'"parts"',
        (b'finishReason"', b'blockReason"', b'afetyRatings"'),
    ),
    "gemini_embedding": Grammar(gemini.read_embedding, gemini.read_reply, gemini.read_event),
    "gemini_prediction": Grammar(
        gemini.read_prediction, gemini.read_reply, gemini.read_event, part=b'"bytesBase64Encoded"'
    ),
    "converse": Grammar(converse.read_request, converse.read_reply, converse.read_event),
    "invoke": Grammar(invoke.read_request, invoke.read_reply, invoke.read_event),
    "plain": Grammar(plain.read_request, plain.read_reply, plain.read_event),
}
