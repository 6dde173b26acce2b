"""Request bodies: one reading of each, whatever a caller writes."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.grammar.index import GRAMMARS
from chatelaine.core.grammar.parameter import NUMBERS
from chatelaine.core.grammar.reading import IMPOSSIBLE, MOST_NUMBERS, cap, choices, read_fields, whole
from chatelaine.model.error import BodyUnreadable
from chatelaine.model.exchange import Shape

CHAT = GRAMMARS["openai"].read_request
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
NAMES = st.sampled_from(
    (
        *("model", "messages", "input", "prompt", "contents", "requests", "params", "stream", "max_tokens"),
        *("n", "tools", "system", "metadata", "user", "generationConfig", "inferenceConfig", "instances"),
        *("parameters", "textGenerationConfig", "toolConfig", "thinking", "text"),
    )
)


def body(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize("grammar", sorted(GRAMMARS))
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(grammar: str, data: bytes) -> None:
    try:
        shape = GRAMMARS[grammar].read_request(data)
    except BodyUnreadable:
        return
    assert isinstance(shape, Shape)


@pytest.mark.parametrize("grammar", sorted(GRAMMARS))
@given(fields=st.dictionaries(NAMES | st.text(max_size=5), JSON, max_size=6))
def test_fields_of_any_type_are_left_to_the_upstream(grammar: str, fields: dict[str, Any]) -> None:
    try:
        shape = GRAMMARS[grammar].read_request(json.dumps(fields).encode())
    except BodyUnreadable:
        return
    assert shape.choices >= 1
    assert shape.output_cap is None or shape.output_cap > 0
    assert len(shape.numbers) <= MOST_NUMBERS
    assert all(math.isfinite(number) for _, number in shape.numbers)
    assert shape.last_assistant < len(shape.messages)
    assert all(isinstance(message, bytes) for message in shape.messages)


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"{",
        b'{"model": "a"} {}',
        b'{"model": NaN}',
        b"\xef\xbb\xbf{}",
        b'{"model": "\xff"}',
        b'{"model": "\\ud800"}',
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda odd: repr(odd[:20]),
)
def test_what_is_no_json_object_is_refused(odd: bytes) -> None:
    with pytest.raises(BodyUnreadable):
        CHAT(odd)


@pytest.mark.parametrize(
    "twice",
    [
        b'{"model":"a","model":"b"}',
        b'{"model":"a","stream":false,"stream":true}',
        b'{"max_tokens":1,"model":"a","max_tokens":9000}',
        b'{"model":"a","\\u006dodel":"b"}',
        b'{"\\u006dodel":"b"}',
        b'{"model":"a","Model":"b"}',
        b'{"MAX_TOKENS":1}',
        b'{"messages":[],"Messages":[{"role":"user","content":"x"}]}',
        b'{"model":"a","max_tokens":1,"\\u006dax_tokens":9}',
    ],
)
def test_a_body_that_can_be_read_in_two_ways_is_refused(twice: bytes) -> None:
    with pytest.raises(BodyUnreadable):
        CHAT(twice)


@pytest.mark.parametrize(
    "once",
    [
        body(model="a", messages=[{"role": "user", "content": 'the "model" and the "model"'}]),
        body(
            model="a", tools=[{"type": "function", "function": {"parameters": {"model": {}, "stream": {}}}}]
        ),
        body(model="a", user="model"),
        body(model="a", metadata={"model": "b", "max_tokens": "c"}, max_tokens=1),
        b'{"model":"a","messages":[{"role":"user","content":"\\u0041 \\u006d"}]}',
        b'{"model":"a","messages":[{"role":"user","content":"\\u00e9t\\u00e9"}]}',
    ],
)
def test_a_name_inside_a_message_a_tool_or_a_value_is_no_repetition(once: bytes) -> None:
    assert CHAT(once).model == "a"


def test_no_secret_of_a_body_stands_in_the_refusal() -> None:
    with pytest.raises(BodyUnreadable) as fault:
        CHAT(b'{"model":"chln_live_secret" chln_live_secret}')
    assert "chln" not in str(fault.value)


def test_a_name_of_the_callers_own_is_not_recorded() -> None:
    shape = CHAT(body(model="a", chln_live_secret=1, temperature=0.5))
    assert shape.numbers == (("temperature", 0.5),)


@pytest.mark.parametrize(
    ("written", "recorded"),
    [
        ("-1", -1.0),
        ("0", 0.0),
        ("true", 1.0),
        ("1e3", 1000.0),
        ("9" * 400, IMPOSSIBLE),
        ("-" + "9" * 5000, -IMPOSSIBLE),
        ("1e999", IMPOSSIBLE),
    ],
)
def test_impossible_numbers_are_recorded_and_cap_nothing(written: str, recorded: float) -> None:
    shape = CHAT(b'{"model": "a", "max_tokens": %b}' % written.encode())
    assert shape.numbers == (("max_tokens", recorded),)
    assert shape.model == "a"
    if recorded <= 0 or written == "true":
        assert shape.output_cap is None


def test_at_most_thirty_two_numbers_are_recorded() -> None:
    assert len(CHAT(json.dumps(dict.fromkeys(NUMBERS, 1)).encode()).numbers) == MOST_NUMBERS


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((None, None), None),
        ((5, None), 5),
        ((5, 9), 9),
        ((5, -1), None),
        ((0,), None),
        (("5",), None),
        ((True,), None),
        ((5.9,), 5),
        ((10**30,), 2**53),
    ],
)
def test_the_largest_cap_counts_and_an_odd_one_caps_nothing(
    values: tuple[Any, ...], expected: int | None
) -> None:
    assert cap(*values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [((None,), 1), ((3, 2), 3), (("4",), 4), (("x",), 1), ((0,), 1), ((-7,), 1), ((True,), 1), (("٤",), 4)],
)
def test_at_least_one_answer_is_asked_for(values: tuple[Any, ...], expected: int) -> None:
    assert choices(*values) == expected


def test_whole_numbers_are_bounded() -> None:
    assert whole(-1e300) == -(2**53)
    assert whole([]) is None


def test_escapes_under_which_a_name_could_hide_are_told() -> None:
    assert read_fields(b'{"a":"\\u0041"}')[1]
    assert not read_fields(b'{"a":"\\u00e9 \\\\n"}')[1]


def test_nested_limits_must_stand_once() -> None:
    with pytest.raises(BodyUnreadable):
        read_fields(b'{"inferenceConfig":{"maxTokens":1,"maxTokens":2}}', nested=(b'"maxTokens"',))
    with pytest.raises(BodyUnreadable):
        read_fields(b'{"inferenceConfig":{"maxTokens":1,"\\u006daxTokens":2}}', nested=(b'"maxTokens"',))
    fields, _ = read_fields(
        b'{"inferenceConfig":{"maxTokens":1},"toolConfig":{"tools":[{"maxTokens":2}]}}',
        nested=(b'"maxTokens"',),
    )
    assert set(fields) == {"inferenceConfig", "toolConfig"}
