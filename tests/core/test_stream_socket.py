"""WebSocket frames in both directions: lengths, masks, fragments, and what RFC 6455 forbids."""

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.grammar.index import GRAMMARS
from chatelaine.core.stream.select import tap_for
from chatelaine.core.stream.socket import FrameDecoder, SocketTap
from chatelaine.core.stream.tap import MOST_EVENT
from chatelaine.model.error import WireError
from chatelaine.model.exchange import Usage, UsageSource

TEXT, CONTINUATION, PING, CLOSE = 1, 0, 9, 8


def frame(
    payload: bytes, opcode: int = TEXT, *, last: bool = True, mask: bytes = b"", reserved: int = 0
) -> bytes:
    size = len(payload)
    bit = 0x80 if mask else 0
    if size < 126:
        length = bytes([bit | size])
    elif size < 65_536:
        length = bytes([bit | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([bit | 127]) + size.to_bytes(8, "big")
    hidden = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload)) if mask else payload
    return bytes([(0x80 if last else 0) | reserved | opcode]) + length + mask + hidden


def said(**event: Any) -> bytes:
    return frame(json.dumps(event).encode())


def done(read: int, wrote: int) -> bytes:
    usage = {"input_tokens": read, "output_tokens": wrote}
    return said(type="response.done", response={"id": "r", "status": "completed", "usage": usage})


@given(
    payloads=st.lists(st.binary(max_size=200) | st.binary(min_size=65_530, max_size=65_540), max_size=3),
    masked=st.booleans(),
    cut=st.integers(1, 5000),
)
def test_messages_are_the_same_however_their_bytes_are_cut(
    payloads: list[bytes], cut: int, *, masked: bool
) -> None:
    mask = os.urandom(4) if masked else b""
    raw = b"".join(frame(b"ping", PING, mask=mask) + frame(payload, mask=mask) for payload in payloads)
    decoder = FrameDecoder(masked=masked)
    assert [
        m for start in range(0, len(raw), cut) for m in decoder.feed(raw[start : start + cut])
    ] == payloads


@pytest.mark.parametrize("mask", [b"", b"\x01\x02\x03\x04"])
def test_fragments_are_joined_with_control_frames_between_them(mask: bytes) -> None:
    raw = frame(b"one ", last=False, mask=mask) + frame(b"", PING, mask=mask)
    raw += frame(b"two ", CONTINUATION, last=False, mask=mask) + frame(b"three", CONTINUATION, mask=mask)
    decoder = FrameDecoder(masked=bool(mask))
    assert [m for byte in raw for m in decoder.feed(bytes([byte]))] == [b"one two three"]


@pytest.mark.parametrize(
    "raw",
    [
        frame(b"x", reserved=0x40),
        frame(b"x", 3),
        frame(b"x", 11),
        frame(b"x" * 126, PING),
        frame(b"x", PING, last=False),
        frame(b"x", CONTINUATION),
        frame(b"x", last=False) + frame(b"y"),
        frame(b"x", mask=b"abcd"),
        b"\x81\x7f" + b"\xff" * 8,
    ],
)
def test_frames_that_the_standard_forbids_are_noticed(raw: bytes) -> None:
    with pytest.raises(WireError) as fault:
        FrameDecoder(masked=False).feed(raw)
    assert fault.value.clause.startswith("RFC 6455")
    tap = SocketTap(GRAMMARS["openai"])
    tap.feed(raw)
    tap.feed(done(1, 1))
    assert tap.broken
    assert tap.served().usage is None


def test_a_callers_frame_must_be_masked() -> None:
    with pytest.raises(WireError):
        FrameDecoder(masked=True).feed(frame(b"x"))


@pytest.mark.parametrize("parts", [1, 40])
def test_a_message_larger_than_a_mebibyte_is_passed_over_and_not_held(parts: int) -> None:
    decoder = FrameDecoder(masked=False)
    size = 4 * MOST_EVENT // parts
    raw = frame(b"x" * size, last=parts == 1)
    raw += b"".join(frame(b"x" * size, CONTINUATION, last=index == parts - 2) for index in range(parts - 1))
    found = []
    for start in range(0, len(raw), 50_000):
        found += decoder.feed(raw[start : start + 50_000])
        assert len(decoder._buffer) + len(decoder._message) <= 2 * MOST_EVENT
    assert found == [b""]
    assert decoder.feed(frame(b"next")) == [b"next"]


def test_the_turns_of_a_conversation_add_up() -> None:
    tap = tap_for("", "openai", websocket=True)
    tap.feed(said(type="response.output_text.delta", delta="The") + done(9, 6))
    tap.feed(said(type="response.output_audio.delta", delta="AAAA") + done(20, 4))
    assert tap.served().usage == Usage(29, 10)
    assert tap.output_estimate() == 10


def test_a_turn_that_is_not_counted_yet_is_estimated() -> None:
    tap = SocketTap(GRAMMARS["openai"])
    tap.feed(done(9, 6) + said(type="response.output_text.delta", delta="The") * 5)
    assert tap.output_estimate() == 11
    assert tap.served().usage == Usage(9, 11, source=UsageSource.ESTIMATED)


def test_an_error_of_realtime_is_told() -> None:
    tap = SocketTap(GRAMMARS["openai"])
    tap.feed(said(type="error", error={"type": "invalid_request_error", "code": "bad"}))
    assert tap.served().error_code == "bad"


def test_the_refusal_of_a_websocket_is_read_as_json() -> None:
    tap = tap_for("application/json", "openai", websocket=True)
    tap.feed(b'{"error": {"code": "model_not_found"}}')
    assert tap.served().error_code == "model_not_found"


@given(data=st.binary(max_size=300))
def test_any_bytes_do_no_harm(data: bytes) -> None:
    tap = SocketTap(GRAMMARS["openai"])
    tap.feed(data)
    tap.feed(data)
    assert tap.output_estimate() >= 0
