"""The grammar of Bedrock's Converse."""

import msgspec
from msgspec import Raw, Struct

from chatelaine.core.grammar.reading import as_list, modalities, numbers, read_object, turns, whole
from chatelaine.model.exchange import Served, Shape, Usage


class _Config(Struct, rename="camel"):
    max_tokens: object = None
    temperature: object = None
    top_p: object = None


class _Tools(Struct):
    tools: Raw = Raw()


class _Request(Struct, rename="camel"):
    messages: Raw = Raw()
    system: Raw = Raw()
    inference_config: Raw = Raw()
    tool_config: Raw = Raw()


_REQUEST = msgspec.json.Decoder(_Request)
_CONFIG = msgspec.json.Decoder(_Config)
_TOOLS = msgspec.json.Decoder(_Tools)
_NO_CONFIG = _Config()


def read_request(body: bytes) -> Shape:
    """Read a request of this grammar; its model and whether it streams stand in the path.

    Raises:
        BodyUnreadable: it is no JSON object.
    """
    asked = read_object(_REQUEST, body)
    messages = as_list(asked.messages)
    last, _, empty = turns(messages, "assistant")
    try:
        config = _CONFIG.decode(asked.inference_config or b"{}")
        tools = len(as_list(_TOOLS.decode(asked.tool_config or b"{}").tools))
    except msgspec.MsgspecError:
        config, tools = _NO_CONFIG, 0
    fields = {"maxTokens": config.max_tokens, "temperature": config.temperature, "topP": config.top_p}
    return Shape(
        output_cap=whole(config.max_tokens),
        numbers=numbers(fields),
        modalities=modalities(bytes(asked.messages)),
        tools=tools,
        system=bytes(asked.system),
        messages=messages,
        last_assistant=last,
        empty=empty,
    )


class _Usage(Struct, rename="camel"):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0


class _Reply(Struct, rename="camel"):
    usage: _Usage | None = None
    stop_reason: str | None = None
    message: Raw = Raw()


_REPLY = msgspec.json.Decoder(_Reply)
_NOTHING = Served()


def read_reply(body: bytes) -> Served:
    """Read a reply, or the payload of one event of a streamed one; what cannot be read says nothing."""
    try:
        told = _REPLY.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _NOTHING
    usage = None
    if told.usage is not None:
        read, wrote = told.usage.cache_read_input_tokens, told.usage.cache_write_input_tokens
        usage = Usage(told.usage.input_tokens + read + wrote, told.usage.output_tokens, read, wrote)
    refused = told.usage is None and told.stop_reason is None and bytes(told.message)[:1] == b'"'
    return Served(usage, finish=told.stop_reason or "", error_code="error" if refused else "")
