"""What each grammar reads from replies, and that no upstream can break the gate by what it says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.grammar import invoke, openai_reply
from chatelaine.core.grammar.index import GRAMMARS
from chatelaine.core.grammar.told import count, gather, label
from chatelaine.core.served import merge
from chatelaine.model.error import BodyUnreadable
from chatelaine.model.exchange import Served, Usage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    (
        *("id", "model", "usage", "choices", "error", "response", "delta", "status", "data", "message"),
        *("content", "stop_reason", "usageMetadata", "candidates", "promptFeedback", "output", "stopReason"),
        *("results", "outputs", "metadata", "prompt_filter_results"),
    )
)
COUNTS = st.integers(0, 1000)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
SERVED = st.builds(
    Served,
    st.none() | USAGES,
    st.sampled_from(["", "m"]),
    st.sampled_from(["", "r"]),
    st.sampled_from(["", "stop"]),
    st.just(""),
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["low", "high", "filtered"])), max_size=2)
    .map(dict)
    .map(lambda found: tuple(sorted(found.items()))),
    COUNTS,
)


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("grammar", sorted(GRAMMARS))
@given(data=st.binary(max_size=100) | st.dictionaries(NAMES, JSON, max_size=5).map(encode))
def test_any_reply_and_any_event_is_read_or_refused(grammar: str, data: bytes) -> None:
    reads = GRAMMARS[grammar]
    for read in (reads.read_reply, lambda data: reads.read_event(data, "x")):
        try:
            served = read(data)
        except BodyUnreadable:
            continue
        assert served is None or served.output_bytes >= 0
        assert served is None or served.usage is None or min(served.usage.input_tokens, 0) == 0


@pytest.mark.parametrize("grammar", sorted(GRAMMARS))
def test_deep_replies_are_refused(grammar: str) -> None:
    deep = b'{"usage":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(BodyUnreadable):
        GRAMMARS[grammar].read_reply(deep)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4}, Usage(3, 4)),
        ({"prompt_tokens": 3, "total_tokens": 3}, Usage(3, 0)),
        ({"input_tokens": 3, "output_tokens": 4}, Usage(3, 4)),
        ({"prompt_tokens": 3, "completion_tokens": None}, Usage(3, 0)),
        ({"prompt_tokens": -3, "completion_tokens": 10**30}, Usage(0, 0)),
        ({"prompt_tokens": 3.0, "completion_tokens": "4"}, Usage(3, 0)),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 8,
                "prompt_tokens_details": {"cached_tokens": 5, "audio_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 1},
            },
            Usage(9, 8, 5, 0, 4, 2, 1),
        ),
        (
            {"input_tokens": 9, "input_token_details": {"cached_tokens": 5}, "output_tokens": 1},
            Usage(9, 1, 5),
        ),
        ({"type": "duration", "seconds": 7.2}, Usage(seconds=8)),
    ],
)
def test_usages_of_all_of_openais_interfaces_are_read(usage: dict[str, Any], expected: Usage) -> None:
    assert openai_reply.read_reply(encode({"usage": usage})).usage == expected


def test_a_reply_without_usage_tells_the_size_of_its_text() -> None:
    message = {"role": "assistant", "content": "four bytes a token"}
    served = openai_reply.read_reply(encode({"choices": [{"message": message}]}))
    assert served.usage is None
    assert served.output_bytes == len(encode(message))


def test_a_reply_with_odd_choices_still_tells_its_usage() -> None:
    served = openai_reply.read_reply(
        encode({"id": 7, "choices": "none", "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    )
    assert (served.usage, served.reply_id) == (Usage(1, 2), "7")


def test_seconds_of_a_transcription_may_stand_outside_its_usage() -> None:
    assert openai_reply.read_reply(encode({"text": "x", "duration": 3.1})).usage == Usage(seconds=4)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "content_filter", "type": "x"}, "content_filter"),
        ({"code": None, "type": "server_error"}, "server_error"),
        ({"code": 404}, "404"),
        ("broken", "error"),
        ({}, "error"),
        ({"code": "line\nbreak\x00"}, "line_break_"),
        ({"code": "x" * 1000}, "x" * 64),
    ],
)
def test_errors_have_short_printable_codes(error: object, code: str) -> None:
    assert openai_reply.read_reply(encode({"error": error})).error_code == code


def test_a_background_response_is_told_as_queued() -> None:
    served = openai_reply.read_reply(encode({"id": "r", "status": "queued", "usage": None}))
    assert (served.finish, served.usage) == ("queued", None)


def test_an_incomplete_response_says_why() -> None:
    response = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    served = openai_reply.read_event(encode({"type": "response.incomplete", "response": response}), "")
    assert served is not None
    assert served.finish == "max_output_tokens"


def test_a_failed_response_has_a_code() -> None:
    response = {"status": "failed", "error": {"code": "server_error"}}
    served = openai_reply.read_event(encode({"type": "response.failed", "response": response}), "")
    assert served is not None
    assert served.error_code == "server_error"


def test_tool_calls_and_thoughts_are_text_too() -> None:
    delta = {"reasoning_content": "abc", "tool_calls": [{"function": {"name": "de", "arguments": "f"}}]}
    served = openai_reply.read_event(encode({"choices": [{"delta": delta}]}), "")
    assert served is not None
    assert served.output_bytes == 6


@pytest.mark.parametrize("part", [{"b64_json": "AA=="}, {"url": "https://images.example/1"}])
def test_given_images_are_counted(part: dict[str, str]) -> None:
    assert openai_reply.read_images(encode({"data": [part, part]})).usage == Usage(images=2)


def test_every_family_of_an_invocation_tells_its_usage() -> None:
    for reply in (
        {"usage": {"input_tokens": 3, "output_tokens": 4}},
        {"usage": {"inputTokens": 3, "outputTokens": 4}},
        {"usage": {"prompt_tokens": 3, "completion_tokens": 4}},
        {"prompt_token_count": 3, "generation_token_count": 4},
        {"inputTextTokenCount": 3, "results": [{"tokenCount": 4}]},
    ):
        assert invoke.read_reply(encode(reply)).usage == Usage(3, 4), reply


def test_an_error_of_bedrock_is_one() -> None:
    for grammar in ("converse", "invoke"):
        assert GRAMMARS[grammar].read_reply(encode({"message": "no"})).error_code == "error"
        kind = "com.amazon#ThrottlingException"
        assert GRAMMARS[grammar].read_reply(encode({"__type": kind})).error_code == "ThrottlingException"


@given(one=SERVED, other=SERVED)
def test_counts_never_shrink_when_parts_are_merged(one: Served, other: Served) -> None:
    both = merge(one, other)
    for part in (one.usage, other.usage):
        if part is not None:
            assert both.usage is not None
            assert both.usage.input_tokens >= part.input_tokens
            assert both.usage.output_tokens >= part.output_tokens
    assert both.output_bytes == one.output_bytes + other.output_bytes
    assert {name for name, _ in both.filters} == {name for name, _ in (*one.filters, *other.filters)}


def test_of_two_results_of_a_filter_the_severer_stays() -> None:
    assert gather((("hate", "filtered"),), (("hate", "low"), ("self", "medium"))) == (
        ("hate", "filtered"),
        ("self", "medium"),
    )


def test_labels_and_counts_are_bounded() -> None:
    assert label("ключ") == "_"
    assert label([]) == ""
    assert count(-1) == count(2**60) == count("1") == 0
    assert count(1.5) == 2
