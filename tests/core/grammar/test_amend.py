"""What the gate changes in a body, by dialect, to the byte."""

import json
from typing import Any

import pytest

from chatelaine.core.grammar.amend import Amendment, amend, draws_on_more, takes_identifier
from chatelaine.model.error import BodyUnreadable
from chatelaine.model.exchange import Operation, RouteMatch
from chatelaine.model.words import ProviderId

HASH = "0123456789abcdef0123456789abcdef"


def route(provider: str, operation: Operation = Operation.CHAT, grammar: str = "") -> RouteMatch:
    grammars = {"azure": "openai", "bedrock": "converse"}
    return RouteMatch(ProviderId(provider), "/x", operation, grammar or grammars.get(provider, provider))


OPENAI, AZURE, ANTHROPIC = route("openai"), route("azure"), route("anthropic")
RESPONSE = route("openai", Operation.RESPONSE)
GEMINI, CONVERSE = route("gemini"), route("bedrock")


@pytest.mark.parametrize(
    ("where", "body", "changed"),
    [
        (OPENAI, b'{ "model":"m"}', b'{"safety_identifier":"%b", "model":"m"}'),
        (OPENAI, b"{}", b'{"safety_identifier":"%b"}'),
        (OPENAI, b'{"safety_identifier": null,"n":1}', b'{"safety_identifier": "%b","n":1}'),
        (
            OPENAI,
            b'{"messages":["safety_identifier"]}',
            b'{"safety_identifier":"%b","messages":["safety_identifier"]}',
        ),
        (RESPONSE, b'{"input":"x"}', b'{"safety_identifier":"%b","input":"x"}'),
        (AZURE, b'{"messages":[{"role":"user"}]}', b'{"user":"%b","messages":[{"role":"user"}]}'),
        (route("openai", Operation.IMAGE, "openai_image"), b'{"n":1}', b'{"user":"%b","n":1}'),
        (ANTHROPIC, b'{"max_tokens":5}', b'{"metadata":{"user_id":"%b"},"max_tokens":5}'),
        (ANTHROPIC, b'{"metadata":{} ,"a":1}', b'{"metadata":{"user_id":"%b"} ,"a":1}'),
        (ANTHROPIC, b'{"metadata": {"user_id":null}}', b'{"metadata": {"user_id":"%b"}}'),
        (ANTHROPIC, b'{"metadata":null}', b'{"metadata":{"user_id":"%b"}}'),
    ],
)
def test_an_identifier_is_put_where_the_dialect_has_it(
    where: RouteMatch, body: bytes, changed: bytes
) -> None:
    assert amend(where, body, Amendment(identifier=HASH)) == changed % HASH.encode()


@pytest.mark.parametrize(
    "where",
    [
        GEMINI,
        CONVERSE,
        route("openai", Operation.EMBEDDING, "openai_embedding"),
        route("anthropic", Operation.COUNT),
        route("openai", Operation.BATCH),
    ],
)
def test_a_dialect_without_the_field_gets_no_identifier(where: RouteMatch) -> None:
    assert not takes_identifier(where)
    assert amend(where, b'{"a":1}', Amendment(identifier=HASH)) == b'{"a":1}'


@pytest.mark.parametrize(
    ("where", "body", "changed"),
    [
        (OPENAI, b'{"max_tokens": 9000 ,"n":1}', b'{"max_tokens": 512 ,"n":1}'),
        (OPENAI, b'{"max_tokens":20}', b'{"max_tokens":20}'),
        (OPENAI, b'{"max_tokens":20.5}', b'{"max_tokens":20.5}'),
        (OPENAI, b'{"max_tokens":512}', b'{"max_tokens":512}'),
        (OPENAI, b'{"max_tokens":0}', b'{"max_tokens":512}'),
        (OPENAI, b'{"max_tokens":-3}', b'{"max_tokens":512}'),
        (OPENAI, b'{"max_tokens":null}', b'{"max_tokens":512}'),
        (OPENAI, b'{"max_tokens":true}', b'{"max_tokens":512}'),
        (OPENAI, b'{"max_tokens":1e9}', b'{"max_tokens":512}'),
        (OPENAI, b'{"max_tokens":%b}' % (b"9" * 400), b'{"max_tokens":512}'),
        (OPENAI, b'{"max_tokens":"20"}', b'{"max_tokens":512}'),
        (
            OPENAI,
            b'{"max_completion_tokens":600,"max_tokens":9}',
            b'{"max_completion_tokens":512,"max_tokens":9}',
        ),
        (OPENAI, b'{"model":"m"}', b'{"max_completion_tokens":512,"model":"m"}'),
        (AZURE, b'{"a":1}', b'{"max_tokens":512,"a":1}'),
        (route("openai", Operation.COMPLETION), b'{"a":1}', b'{"max_tokens":512,"a":1}'),
        (RESPONSE, b'{"a":1}', b'{"max_output_tokens":512,"a":1}'),
        (ANTHROPIC, b'{"max_tokens":4096}', b'{"max_tokens":512}'),
        (ANTHROPIC, b'{"a":1}', b'{"a":1}'),
        (GEMINI, b'{"a":1}', b'{"generationConfig":{"maxOutputTokens":512},"a":1}'),
        (
            GEMINI,
            b'{"generation_config":{"max_output_tokens":999,"t":1}}',
            b'{"generation_config":{"max_output_tokens":512,"t":1}}',
        ),
        (GEMINI, b'{"generationConfig":{"t":1}}', b'{"generationConfig":{"maxOutputTokens":512,"t":1}}'),
        (CONVERSE, b'{"inferenceConfig":{"maxTokens":5}}', b'{"inferenceConfig":{"maxTokens":5}}'),
        (CONVERSE, b'{"inferenceConfig":{"maxTokens":5000}}', b'{"inferenceConfig":{"maxTokens":512}}'),
        (route("bedrock", grammar="invoke"), b'{"max_gen_len":700}', b'{"max_gen_len":512}'),
        (route("openai", Operation.COUNT), b'{"max_output_tokens":9999}', b'{"max_output_tokens":9999}'),
    ],
)
def test_a_cap_is_lowered_or_put_in_and_never_raised(where: RouteMatch, body: bytes, changed: bytes) -> None:
    assert amend(where, body, Amendment(cap=512)) == changed


def test_a_model_is_replaced_where_the_body_names_one() -> None:
    wanted = Amendment(model='small "7b"')
    assert (
        amend(OPENAI, b'{"model" : "big","a":"model"}', wanted) == b'{"model" : "small \\"7b\\"","a":"model"}'
    )
    assert amend(GEMINI, b'{"contents":[]}', wanted) == b'{"contents":[]}'


@pytest.mark.parametrize(
    ("where", "body", "changed"),
    [
        (OPENAI, b'{"messages":[1]}', b'{"messages":[{"role":"system","content":"Be\\nshort."},1]}'),
        (OPENAI, b'{"messages":"odd"}', b'{"messages":"odd"}'),
        (RESPONSE, b'{"input":"x"}', b'{"instructions":"Be\\nshort.","input":"x"}'),
        (RESPONSE, b'{"instructions":"Mine"}', b'{"instructions":"Be\\nshort.\\n\\nMine"}'),
        (ANTHROPIC, b'{"system":"Mine"}', b'{"system":"Be\\nshort.\\n\\nMine"}'),
        (ANTHROPIC, b'{"system":[7]}', b'{"system":[{"type":"text","text":"Be\\nshort."},7]}'),
        (ANTHROPIC, b'{"a":1}', b'{"system":"Be\\nshort.","a":1}'),
        (CONVERSE, b'{"system":[7]}', b'{"system":[{"text":"Be\\nshort."},7]}'),
        (CONVERSE, b'{"a":1}', b'{"system":[{"text":"Be\\nshort."}],"a":1}'),
        (GEMINI, b'{"a":1}', b'{"systemInstruction":{"parts":[{"text":"Be\\nshort."}]},"a":1}'),
        (
            GEMINI,
            b'{"system_instruction":{"parts":[7]}}',
            b'{"system_instruction":{"parts":[{"text":"Be\\nshort."},7]}}',
        ),
        (route("openai", Operation.COMPLETION), b'{"prompt":"x"}', b'{"prompt":"x"}'),
    ],
)
def test_a_preamble_stands_before_what_the_caller_says(
    where: RouteMatch, body: bytes, changed: bytes
) -> None:
    assert amend(where, body, Amendment(preamble="Be\nshort.")) == changed


def test_all_at_once_is_still_the_json_it_was() -> None:
    body: dict[str, Any] = {
        "model": "big",
        "max_tokens": 9999,
        "messages": [{"role": "user", "content": "Hi \u20ac"}],
    }
    raw = json.dumps(body, ensure_ascii=False).encode()
    told = json.loads(amend(OPENAI, raw, Amendment("small", 10, "Be short.", HASH)))
    assert told == {
        "model": "small",
        "max_tokens": 10,
        "messages": [{"role": "system", "content": "Be short."}, *body["messages"]],
        "safety_identifier": HASH,
    }


def test_a_body_that_says_something_twice_is_not_amended() -> None:
    with pytest.raises(BodyUnreadable, match="twice"):
        amend(OPENAI, b'{"max_completion_tokens":1,"a":1,"max_completion_tokens":9999}', Amendment(cap=5))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"previous_response_id":"resp_1"}', True),
        (b'{"conversation":{"id":"conv_1"}}', True),
        (b'{"prompt":{"id":"pmpt_1"}}', True),
        (b'{"web_search_options":{"a":1}}', True),
        (b'{"background":true}', True),
        (b'{"cachedContent":"cachedContents/1"}', True),
        (b'{"previous_response_id":null,"background":false,"container":""}', False),
        (b'{"prompt":"text","messages":[{"conversation":1}]}', False),
        (b"{}", False),
    ],
)
def test_a_request_that_draws_on_more_than_it_says_is_told(body: bytes, told: bool) -> None:
    assert draws_on_more(body) is told
