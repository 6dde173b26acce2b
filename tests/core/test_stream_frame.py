"""Bedrock's messages: every checksum, every length, every cut."""

import base64
import json
import struct
from binascii import crc32
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.grammar.index import GRAMMARS
from chatelaine.core.stream.frame import FrameTap, MessageDecoder, read_headers
from chatelaine.core.stream.tap import MOST_EVENT
from chatelaine.model.error import WireError
from chatelaine.model.exchange import Usage


def header(name: str, value: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()


def frame(payload: bytes, headers: bytes = b"") -> bytes:
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def event(kind: str, **payload: Any) -> bytes:
    return frame(json.dumps(payload).encode(), header(":event-type", kind) + header(":message-type", "event"))


def fed(grammar: str, *parts: bytes) -> FrameTap:
    tap = FrameTap(GRAMMARS[grammar])
    for part in parts:
        tap.feed(part)
    return tap


STREAM = (
    event("messageStart", role="assistant")
    + event("contentBlockDelta", delta={"text": "The chatelaine."})
    + event("messageStop", stopReason="end_turn")
    + event("metadata", usage={"inputTokens": 9, "outputTokens": 6})
)


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=8).map(sorted))
def test_messages_are_the_same_however_their_bytes_are_cut(cuts: list[int]) -> None:
    parts = [STREAM[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(STREAM)], strict=True)]
    served = fed("converse", *parts).served()
    assert (served.usage, served.finish) == (Usage(9, 6), "end_turn")


def test_messages_are_read_byte_by_byte() -> None:
    tap = fed("converse", *[bytes([byte]) for byte in STREAM])
    assert (tap.served().usage, tap.output_estimate()) == (Usage(9, 6), 4)


@given(at=st.integers(0, len(STREAM) - 1), bit=st.integers(0, 7))
def test_every_flipped_bit_is_noticed(at: int, bit: int) -> None:
    broken = bytearray(STREAM)
    broken[at] ^= 1 << bit
    decoder = MessageDecoder()
    whole = MessageDecoder().feed(STREAM)
    with pytest.raises(WireError) as fault:
        decoder.feed(bytes(broken) + STREAM)
    assert fault.value.clause
    tap = fed("converse", bytes(broken) + STREAM)
    assert tap.broken
    tap.feed(STREAM)
    assert len(whole) == 4


@pytest.mark.parametrize("total", [0, 15, 25 * 1024 * 1024])
def test_an_impossible_length_is_noticed(total: int) -> None:
    prelude = struct.pack(">II", total, 0)
    with pytest.raises(WireError):
        MessageDecoder().feed(prelude + struct.pack(">I", crc32(prelude)))


def test_a_message_larger_than_a_mebibyte_is_passed_over_and_not_held() -> None:
    decoder = MessageDecoder()
    large = frame(b"x" * (3 * MOST_EVENT))
    found = []
    for start in range(0, len(large), 100_000):
        found += decoder.feed(large[start : start + 100_000])
        assert len(decoder._buffer) <= 100_000
    found += decoder.feed(frame(b"{}"))
    assert [message.payload for message in found] == [b"{}"]


def test_headers_of_every_type_are_passed_over_but_strings() -> None:
    kinds = [(0, b""), (1, b""), (2, b"x"), (3, b"xx"), (4, b"x" * 4), (5, b"x" * 8), (8, b"x" * 8)]
    raw = b"".join(b"\x01a" + bytes([kind]) + value for kind, value in kinds) + b"\x01b\x09" + b"x" * 16
    raw += b"\x01c\x06\x00\x02xx" + header("d", "text")
    assert read_headers(raw) == {"d": "text"}


@pytest.mark.parametrize(
    "raw", [b"\x01a", b"\x01a\x07", b"\x01a\x07\x00\x05x", b"\x01a\x0a", b"\x05a", b"\x01a\x09x"]
)
def test_broken_headers_are_noticed(raw: bytes) -> None:
    with pytest.raises(WireError):
        read_headers(raw)
    with pytest.raises(WireError):
        MessageDecoder().feed(frame(b"{}", raw))


def test_events_of_an_invocation_are_read_out_of_their_base64() -> None:
    def chunk(**inner: Any) -> bytes:
        return event("chunk", bytes=base64.b64encode(json.dumps(inner).encode()).decode())

    metrics = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "outputTokenCount": 6}}
    tap = fed(
        "invoke", chunk(generation="sixteen bytes of"), chunk(generation="", stop_reason="stop", **metrics)
    )
    assert (tap.served().usage, tap.served().finish, tap.output_estimate()) == (Usage(9, 6), "stop", 4)


@pytest.mark.parametrize("payload", [b'{"bytes":"***"}', b'{"bytes":7}', b'{"bytes":"\xff"}', b"", b"[]"])
def test_payloads_that_cannot_be_read_say_nothing(payload: bytes) -> None:
    tap = fed("invoke", frame(payload), event("chunk", **{"amazon-bedrock-invocationMetrics": {}}))
    assert not tap.broken
    assert tap.served().error_code == ""


@pytest.mark.parametrize("grammar", ["converse", "invoke"])
@pytest.mark.parametrize(
    ("name", "code"),
    [(":exception-type", "throttlingException"), (":error-code", "InternalFailure")],
)
def test_an_exception_inside_a_stream_is_told(grammar: str, name: str, code: str) -> None:
    tap = fed(grammar, frame(b'{"message": "no"}', header(name, code)))
    assert tap.served().error_code.startswith(code)


@given(data=st.binary(max_size=200))
def test_any_bytes_do_no_harm(data: bytes) -> None:
    tap = fed("converse", data, data)
    assert tap.output_estimate() >= 0
