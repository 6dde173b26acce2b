"""What replies and messages look like on the wire, as far as they are read; every member may be missing."""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct


class Turn(Struct):
    """A message, or one of its parts."""

    role: object = None
    content: Raw = Raw(b"")
    parts: Raw = Raw(b"")
    text: Raw = Raw(b"")


class Choice(Struct):
    """One of the answers of a chat or completion."""

    finish_reason: object = None
    delta: object = None
    message: Raw = Raw(b"")
    text: object = None
    content_filter_results: object = None


Count = Annotated[int, Meta(ge=0, le=2**53)]


class Details(Struct):
    """What a count of tokens contains."""

    cached_tokens: Count = 0
    reasoning_tokens: Count = 0
    audio_tokens: Count = 0


class ChatUsage(Struct):
    """A usage as the chat interface tells it; any other is read from an object of any shape."""

    prompt_tokens: Count
    completion_tokens: Count
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None


class OpenAIBare(Struct):
    """A reply or event of any of OpenAI's interfaces, without its choices."""

    id: object = None
    model: object = None
    status: object = None
    usage: object = None
    error: object = None
    response: object = None
    delta: object = None
    duration: object = None
    text: object = None
    output: Raw = Raw(b"")
    prompt_filter_results: object = None


class OpenAIReply(OpenAIBare):
    """A reply or event with choices."""

    choices: list[Choice] | None = None


class OpenAIChat(OpenAIReply):
    """A reply or event of the chat interface: nearly all are."""

    usage: ChatUsage | None = None


class OpenAIImages(Struct):
    """A reply that gives images."""

    data: list[Raw] | None = None


class AnthropicReply(Struct, rename={"metrics": "amazon-bedrock-invocationMetrics"}):
    """Anthropic's reply, or an event of one."""

    id: object = None
    type: object = None
    model: object = None
    stop_reason: object = None
    usage: object = None
    message: object = None
    delta: object = None
    error: object = None
    content: Raw = Raw(b"")
    completion: object = None
    input_tokens: object = None
    metrics: object = None


class ConverseReply(Struct):
    """Converse's reply, or the payload of an event of one."""

    usage: object = None
    output: Raw = Raw(b"")
    stop_reason: object = msgspec.field(default=None, name="stopReason")
    message: object = None
    capital: object = msgspec.field(default=None, name="Message")
    kind: object = msgspec.field(default=None, name="__type")
    delta: object = None


class GeminiReply(Struct, rename="camel"):
    """Gemini's reply, or an event of one."""

    usage_metadata: object = None
    model_version: object = None
    response_id: object = None
    candidates: object = None
    prompt_feedback: object = None
    error: object = None
    embeddings: Raw = Raw(b"")
    predictions: list[Raw] | None = None
    total_tokens: object = None


class InvokeReply(Struct, rename={"kind": "__type", "titan_input": "inputTextTokenCount"}):
    """A reply of any family behind InvokeModel."""

    usage: object = None
    prompt_token_count: object = None
    generation_token_count: object = None
    titan_input: object = None
    results: object = None
    generation: object = None
    outputs: object = None
    images: list[Raw] | None = None
    artifacts: list[Raw] | None = None
    message: object = None
    kind: object = None


class InvokeEvent(Struct, rename={"metrics": "amazon-bedrock-invocationMetrics"}):
    """An event of any family behind InvokeModel."""

    metrics: object = None
    generation: object = None
    output_text: object = msgspec.field(default=None, name="outputText")
    block: object = msgspec.field(default=None, name="contentBlockDelta")
    outputs: object = None
    text: object = None
    metadata: object = None


class BatchLine(Struct):
    """One request of a batch."""

    params: Raw = Raw(b"")
