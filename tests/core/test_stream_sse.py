"""Server-sent events: the same however they are cut, in bounded memory, and mostly unread."""

import json
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.grammar.index import GRAMMARS
from chatelaine.core.stream.sse import EventDecoder, EventTap
from chatelaine.core.stream.tap import MOST_EVENT
from chatelaine.model.exchange import Usage, UsageSource

LINE_ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=8)
USAGE = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}


def chunk(text: str = "", *, finish: str | None = None, **more: Any) -> bytes:
    delta = {"content": text} if text else {}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    event = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]} | more
    return b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"


def feed(*parts: bytes, grammar: str = "openai") -> EventTap:
    tap = EventTap(GRAMMARS[grammar])
    for part in parts:
        tap.feed(part)
    return tap


@given(
    events=st.lists(
        st.tuples(TEXTS.map(str.strip), st.lists(TEXTS.map(str.strip).filter(bool), min_size=1, max_size=3)),
        max_size=4,
    ),
    end=LINE_ENDS,
    data=st.data(),
)
def test_events_are_the_same_however_their_bytes_are_cut(
    events: list[tuple[str, list[str]]], end: bytes, data: st.DataObject
) -> None:
    raw = b""
    for name, lines in events:
        raw += b": a remark" + end + (b"event: " + name.encode() + end if name else b"")
        raw += b"".join(b"data: " + line.encode() + end for line in lines) + b"id: 7" + end + end
    expected = [(name, "\n".join(lines).encode()) for name, lines in events]
    decoder = EventDecoder()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    found = []
    for start, stop in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        found += decoder.feed(raw[start:stop])
    assert found == expected
    singly = EventDecoder()
    assert [event for byte in raw for event in singly.feed(bytes([byte]))] == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"data:no space\n\n", [("", b"no space")]),
        (b"data:  two spaces\n\n", [("", b" two spaces")]),
        (b"\xef\xbb\xbfdata: after a mark\n\n", [("", b"after a mark")]),
        (b"data\n\n", []),
        (b"data:\n\n", []),
        (b":\n\n\n\n", []),
        (b"event: x\n\ndata: y\n\n", [("", b"y")]),
        (b"unknown: x\ndata: y\n\n", [("", b"y")]),
        (b"data: a\r\rdata: b\r\n\r\ndata: c\n\n", [("", b"a"), ("", b"b"), ("", b"c")]),
        (b"data: not ended", []),
    ],
)
def test_the_forms_of_the_standard_are_read(raw: bytes, expected: list[tuple[str, bytes]]) -> None:
    assert EventDecoder().feed(raw) == expected


def test_an_event_without_its_last_line_end_is_read_when_the_stream_is_over() -> None:
    tap = feed(chunk("a"), chunk(usage=USAGE).rstrip())
    assert tap.served().usage == Usage(9, 6)
    assert tap.served() == tap.served()


def test_a_whole_stream_is_told_by_usage_finish_and_id() -> None:
    raw = chunk() + chunk("The ") + chunk("keeper") + chunk(finish="stop") + chunk(choices=[], usage=USAGE)
    for tap in (feed(raw + b"data: [DONE]\n\n"), feed(*[bytes([byte]) for byte in raw])):
        served = tap.served()
        assert (served.finish, served.reply_id, served.model) == ("stop", "chatcmpl-1", "m")
        assert served.usage == Usage(9, 6)


def test_an_event_of_text_is_one_token_at_least() -> None:
    assert feed(chunk(), *[chunk("a")] * 100).output_estimate() == 100


def test_four_bytes_of_text_are_a_token_also_where_events_pass_unread() -> None:
    tap = feed(chunk("first"), *[chunk("a word of forty bytes, more or less so..")] * 100)
    assert 1000 <= tap.output_estimate() <= 1002
    assert 4000 <= tap.served().output_bytes <= 4006


@pytest.mark.parametrize("uneven", [{"obfuscation": "x" * 200}, {"logprobs": {"content": ["x" * 200]}}])
def test_padding_is_not_taken_for_text(uneven: dict[str, Any]) -> None:
    assert (
        feed(chunk(), chunk("a", **uneven), *[chunk("a", padding="y" * 400, **uneven)] * 9).output_estimate()
        == 10
    )


def test_the_finish_is_found_in_a_chunk_that_passed_unread() -> None:
    tap = feed(chunk("a"), chunk("b"), chunk("c", finish="length"))
    assert tap.served().finish == "length"
    assert tap.output_estimate() == 3
    tap.feed(b"data: [DONE]\n\n")
    assert (tap.served().finish, tap.output_estimate()) == ("length", 3)


def test_several_events_in_one_chunk_are_all_counted() -> None:
    assert (
        feed(chunk("a"), chunk("b") * 7, chunk("c") + b": keep-alive\n\n" + chunk("d")).output_estimate()
        == 10
    )


def test_events_without_text_are_not_counted() -> None:
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    assert feed(ping, ping, ping, grammar="anthropic").output_estimate() == 0


def test_the_text_of_a_responses_stream_is_counted_once() -> None:
    def event(kind: str, **fields: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields)}\n\n".encode()

    text = "sixteen bytes of"
    tap = feed(
        event("response.created", response={"id": "r", "status": "in_progress", "usage": None}),
        *[event("response.output_text.delta", delta=text)] * 4,
        event("response.output_text.done", text=text * 4),
        event("response.content_part.done", part={"text": text * 4}),
    )
    assert tap.output_estimate() == 16
    assert tap.served().finish == ""


def test_a_stream_that_is_left_early_is_charged_for_what_was_seen() -> None:
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 5, "output_tokens": 1}}}
    delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "abcdefgh"}}
    events = [f"data: {json.dumps(event)}\n\n".encode() for event in (start, *[delta] * 50)]
    usage = feed(*events, grammar="anthropic").served().usage
    assert usage == Usage(5, 100, source=UsageSource.ESTIMATED)


def test_a_stream_that_ends_is_charged_as_its_usage_says() -> None:
    delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}
    text = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "abcdefgh" * 9}}
    events = [f"data: {json.dumps(event)}\n\n".encode() for event in (text, text, delta)]
    assert feed(*events, grammar="anthropic").served().usage == Usage(0, 2)


def test_an_error_inside_a_stream_is_told() -> None:
    tap = feed(chunk("a"), b'data: {"error": {"code": "server_error", "message": "no"}}\n\n')
    assert tap.served().error_code == "server_error"


def test_results_of_a_content_filter_are_gathered_over_events() -> None:
    def results(**verdict: object) -> bytes:
        choice = {"delta": {"content": "x"}, "content_filter_results": {"hate": verdict}}
        return chunk(choices=[choice])

    tap = feed(
        results(filtered=False, severity="safe"), results(filtered=False, severity="medium"), chunk("y")
    )
    tap.feed(results(filtered=False, severity="low"))
    assert tap.served().filters == (("hate", "medium"),)


@pytest.mark.parametrize(
    "garbage", [b"data: {not json}\n\n", b"data: \xff\xfe\n\n", b"data: 7\n\n", b"\x00\n\n"]
)
def test_garbage_between_events_is_passed_over(garbage: bytes) -> None:
    tap = feed(chunk("a"), garbage, chunk(usage=USAGE), garbage)
    assert tap.served().usage == Usage(9, 6)


@pytest.mark.parametrize("size", [1000, MOST_EVENT + 10])
def test_an_event_larger_than_a_mebibyte_is_passed_over_and_not_held(size: int) -> None:
    tap = EventTap(GRAMMARS["openai"])
    held = 0
    for part in (b"data: ", *[b"x" * size] * (3 * MOST_EVENT // size), b"\n", b"data: y"):
        tap.feed(part)
        held = max(held, sys.getsizeof(tap._decoder._line) + sum(map(len, tap._decoder._data)))
    assert held < 2 * MOST_EVENT + 1000
    tap.feed(b"\n\n" + chunk(usage=USAGE))
    assert tap.served().usage == Usage(9, 6)
    assert tap.output_estimate() == 1


def test_a_long_line_that_comes_byte_by_byte_takes_linear_time() -> None:
    def seconds(size: int) -> float:
        decoder, begun = EventDecoder(), time.process_time()
        for _ in range(size):
            decoder.feed(b"x")
        return time.process_time() - begun

    seconds(1000)
    assert seconds(200_000) < 40 * max(seconds(20_000), 0.01)
