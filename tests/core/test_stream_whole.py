"""Replies that are one JSON value, and arrays that stream their values."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.grammar.index import GRAMMARS
from chatelaine.core.stream.select import BLIND, tap_for
from chatelaine.core.stream.sse import EventTap
from chatelaine.core.stream.tap import MOST_EVENT, NOTHING, Tap
from chatelaine.core.stream.whole import MOST_HELD, ArrayTap, JsonTap, ObjectSplitter
from chatelaine.model.exchange import Usage

OBJECTS = st.lists(
    st.dictionaries(
        st.text(max_size=4), st.text(max_size=6) | st.dictionaries(st.text(max_size=3), st.none())
    ),
    max_size=5,
)
USAGE = {"prompt_tokens": 9, "completion_tokens": 6}


def fed(tap: Tap, raw: bytes, size: int = 65_536) -> Tap:
    for start in range(0, len(raw), size):
        tap.feed(raw[start : start + size])
    return tap


@pytest.mark.parametrize("size", [1, 7, 65_536])
def test_a_whole_reply_is_read_when_it_is_over(size: int) -> None:
    raw = json.dumps({"id": "r", "usage": USAGE, "choices": [{"finish_reason": "stop"}]}).encode()
    served = fed(JsonTap(GRAMMARS["openai"]), raw, size).served()
    assert (served.usage, served.reply_id, served.finish) == (Usage(9, 6), "r", "stop")


def test_a_whole_reply_never_outruns_what_was_reserved_for_it() -> None:
    tap = JsonTap(GRAMMARS["openai"])
    raw = json.dumps({"choices": [{"message": {"content": "x" * 4000}}]}).encode()
    tap.feed(raw)
    assert tap.output_estimate() == 0
    tap.served()
    assert 1000 <= tap.output_estimate() <= 1010


def test_a_reply_with_usage_needs_no_estimate() -> None:
    tap = fed(JsonTap(GRAMMARS["openai"]), json.dumps({"usage": USAGE, "text": "x" * 99}).encode())
    tap.served()
    assert tap.output_estimate() == 0


@pytest.mark.parametrize("size", [1000, 65_536, 10_000_000])
def test_of_a_very_large_reply_only_the_end_is_held(size: int) -> None:
    tap = JsonTap(GRAMMARS["openai_embedding"])
    vectors = [{"embedding": [0.5] * 2000}] * 100
    raw = json.dumps(
        {"data": vectors, "usage": {"prompt_tokens": 5, "total_tokens": 5}, "model": "m"}
    ).encode()
    assert len(raw) > 3 * MOST_HELD
    fed(tap, raw, size)
    assert sum(map(len, tap._chunks)) < max(MOST_HELD, 2 * size)
    assert tap.served().usage == Usage(5)


@pytest.mark.parametrize("size", [999, 65_536])
def test_images_of_a_very_large_reply_are_counted_as_they_pass(size: int) -> None:
    image = {"b64_json": "A" * 300_000}
    for usage in ({"usage": {"input_tokens": 3, "output_tokens": 7}}, {}):
        raw = json.dumps({"created": 1, "data": [image] * 5} | usage).encode()
        found = fed(JsonTap(GRAMMARS["openai_image"]), raw, size).served().usage
        assert found is not None
        assert (found.images, found.output_tokens) == (5, 7 if usage else 0)


def test_a_large_reply_without_usage_is_estimated_by_its_size() -> None:
    tap = fed(JsonTap(GRAMMARS["openai"]), json.dumps({"choices": "x" * 2 * MOST_HELD}).encode())
    assert tap.served().usage is None
    assert tap.output_estimate() > 2 * MOST_HELD // 4


@pytest.mark.parametrize("raw", [b"", b"<html>", b"{", b"[1]", b"\xff", b"null"])
def test_what_is_no_object_says_nothing(raw: bytes) -> None:
    for grammar in GRAMMARS.values():
        assert fed(JsonTap(grammar), raw).served() == NOTHING


def test_a_large_reply_whose_usage_is_cut_off_says_nothing() -> None:
    raw = b" " * 2 * MOST_HELD + b'{"usage": {"prompt_tokens": 1, "completion_tokens"'
    assert fed(JsonTap(GRAMMARS["openai_embedding"]), raw).served() == NOTHING


@given(objects=OBJECTS, separator=st.sampled_from([",", "\n,\r\n", " , "]), cut=st.integers(1, 9))
def test_objects_of_an_array_are_the_same_however_they_are_cut(
    objects: list[object], separator: str, cut: int
) -> None:
    raw = ("[" + separator.join(json.dumps(one) for one in objects) + "]").encode()
    splitter = ObjectSplitter()
    found = [part for start in range(0, len(raw), cut) for part in splitter.feed(raw[start : start + cut])]
    assert [json.loads(part) for part in found] == objects


def test_an_object_larger_than_a_mebibyte_is_passed_over_and_not_held() -> None:
    splitter = ObjectSplitter()
    found = splitter.feed(b'[{"a": "')
    for _ in range(3):
        found += splitter.feed(b"x" * MOST_EVENT)
        assert len(splitter._held) <= MOST_EVENT
    found += splitter.feed(b'"}, {"b": 1}]')
    assert found == [b'{"b": 1}']


@pytest.mark.parametrize("raw", [b"[}}}{", b'["\\', b"[{]", b"[" * 1000, b'[{"a":"\\"}"}'])
def test_broken_arrays_do_no_harm(raw: bytes) -> None:
    assert fed(ArrayTap(GRAMMARS["gemini"]), raw, 1).served() == NOTHING


def test_a_stream_of_gemini_is_estimated_while_it_comes_and_told_at_its_end() -> None:
    def value(text: str, **more: object) -> bytes:
        candidate = {"content": {"parts": [{"text": text}]}} | more
        usage = {"promptTokenCount": 3, "candidatesTokenCount": 2}
        return json.dumps({"candidates": [candidate], "usageMetadata": usage}).encode()

    tap = ArrayTap(GRAMMARS["gemini"])
    tap.feed(b"  ")
    tap.feed(b"[" + value("sixteen bytes of") + b",")
    assert tap.output_estimate() == 4
    assert tap.served().usage is not None
    tap.feed(value("x", finishReason="STOP") + b"]")
    assert tap.served().usage == Usage(3, 2)


def test_a_single_object_of_gemini_is_read_whole() -> None:
    tap = fed(ArrayTap(GRAMMARS["gemini"]), b' {"usageMetadata": {"promptTokenCount": 3}}', 5)
    assert tap.served().usage == Usage(3)
    assert tap.output_estimate() == 0


@pytest.mark.parametrize(
    ("content_type", "grammar", "kind"),
    [
        ("application/json", "openai", JsonTap),
        ("Application/JSON; charset=utf-8", "gemini", ArrayTap),
        ("application/json", "", JsonTap),
        ("text/event-stream; charset=utf-8", "openai", EventTap),
    ],
)
def test_the_content_type_chooses_the_tap(content_type: str, grammar: str, kind: type[object]) -> None:
    assert isinstance(tap_for(content_type, grammar), kind)


@pytest.mark.parametrize("content_type", ["", "audio/mpeg", "application/octet-stream", "text/html"])
def test_what_is_no_text_is_not_read(content_type: str) -> None:
    tap = tap_for(content_type, "openai")
    assert tap is BLIND
    tap.feed(b"x")
    assert (tap.served(), tap.output_estimate()) == (NOTHING, 0)


def test_a_route_without_a_grammar_tells_errors_and_no_usage() -> None:
    tap = fed(tap_for("application/json", ""), json.dumps({"error": {"code": "no"}, "usage": USAGE}).encode())
    assert (tap.served().error_code, tap.served().usage) == ("no", None)
