"""The grammar of Bedrock's InvokeModel: each family of models has its own fields."""

import msgspec
from msgspec import Raw, Struct

from chatelaine.core.grammar import anthropic
from chatelaine.core.grammar.reading import as_list, blank, modalities, numbers, read_object, turns, whole
from chatelaine.model.exchange import Served, Shape, Usage

_NOVA_NAMES = {
    "nova_cap": "maxTokens",
    "titan_input": "inputText",
    "nova_config": "inferenceConfig",
    "titan_config": "textGenerationConfig",
}


class _Request(Struct, rename=_NOVA_NAMES):
    max_tokens: object = None
    max_tokens_to_sample: object = None
    max_gen_len: object = None
    nova_cap: object = None
    temperature: object = None
    top_p: object = None
    top_k: object = None
    system: Raw = Raw()
    messages: Raw = Raw()
    prompt: Raw = Raw()
    titan_input: Raw = Raw()
    tools: Raw = Raw()
    nova_config: Raw = Raw()
    titan_config: Raw = Raw()


class _Config(Struct, rename={"max_tokens": "maxTokens", "max_token_count": "maxTokenCount"}):
    max_tokens: object = None
    max_new_tokens: object = None
    max_token_count: object = None


_REQUEST = msgspec.json.Decoder(_Request)
_CONFIG = msgspec.json.Decoder(_Config)


def read_request(body: bytes) -> Shape:
    """Read a request of this grammar; its model and whether it streams stand in the path.

    Raises:
        BodyUnreadable: it is no JSON object, or ambiguous.
    """
    asked = read_object(_REQUEST, body)
    raw = asked.messages or asked.prompt or asked.titan_input
    messages = as_list(raw)
    last, _, empty = turns(messages, "assistant")
    fields = {
        "max_tokens": asked.max_tokens,
        "max_tokens_to_sample": asked.max_tokens_to_sample,
        "max_gen_len": asked.max_gen_len,
        "maxTokens": asked.nova_cap,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "top_k": asked.top_k,
    }
    caps = [whole(value) for name, value in fields.items() if name.lower().startswith("max")]
    return Shape(
        output_cap=next((cap for cap in caps if cap is not None), _configured_cap(asked)),
        numbers=numbers(fields),
        modalities=modalities(bytes(raw)),
        tools=len(as_list(asked.tools)),
        system=bytes(asked.system),
        messages=messages,
        last_assistant=last,
        empty=empty or blank(bytes(raw)),
    )


def _configured_cap(asked: _Request) -> int | None:
    try:
        config = _CONFIG.decode(asked.nova_config or asked.titan_config or b"{}")
    except msgspec.MsgspecError:
        return None
    caps = (whole(config.max_tokens), whole(config.max_new_tokens), whole(config.max_token_count))
    return next((cap for cap in caps if cap is not None), None)


class _Usage(Struct, rename="camel"):
    input_tokens: int = 0
    output_tokens: int = 0


class _Result(Struct, rename="camel"):
    token_count: int = 0


class _Reply(Struct, rename={"titan_input_count": "inputTextTokenCount"}):
    prompt_token_count: int | None = None
    generation_token_count: int | None = None
    titan_input_count: int | None = None
    results: list[_Result] | None = None
    usage: Raw = Raw()


_REPLY = msgspec.json.Decoder(_Reply)
_NOVA = msgspec.json.Decoder(_Usage)


def read_reply(body: bytes) -> Served:
    """Read a reply, or the payload of one event of a streamed one; what cannot be read says nothing."""
    served = anthropic.read_reply(body)
    if served.usage is not None and (served.usage.input_tokens or served.usage.output_tokens):
        return served
    try:
        told = _REPLY.decode(body)
        nova = _NOVA.decode(told.usage or b"{}")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return served
    if nova.input_tokens or nova.output_tokens:
        return Served(Usage(nova.input_tokens, nova.output_tokens), finish=served.finish)
    if told.prompt_token_count is not None:
        return Served(Usage(told.prompt_token_count, told.generation_token_count or 0))
    if told.titan_input_count is not None:
        wrote = sum(result.token_count for result in told.results or ())
        return Served(Usage(told.titan_input_count, wrote))
    return served
