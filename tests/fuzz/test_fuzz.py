"""Every reader of bytes from outside, fed with broken ones: it refuses by its own errors, or it takes them.

In the ordinary suite each runs over a few hundred inputs; ``make fuzz`` runs them for ``--minutes``.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from zlib import crc32

import pytest
from stage import BODY, REPLY, Stage, one_reply, virtual_key

from chatelaine.core.codec import decode
from chatelaine.core.exchange import hello, proxy_protocol
from chatelaine.core.exchange.form import FormReader
from chatelaine.core.exchange.ja4 import greet
from chatelaine.core.grammar.index import GRAMMARS
from chatelaine.core.journal import frame as journal_frame
from chatelaine.core.journal import mended, read_header, salvage, unframe
from chatelaine.core.link import FROM_CLIENTS, REPLIES, TABLES, Frames
from chatelaine.core.link import frame as hub_frame
from chatelaine.core.stream.select import tap_for
from chatelaine.model.error import BodyUnreadable, RecordUnknown, WireError
from chatelaine.model.event import ExchangeOpened
from chatelaine.model.push import KeysChanged
from chatelaine.model.words import Epoch

FEW = 300
"""Inputs of each target in the ordinary suite."""
BOUNDARY = b"x-boundary"
FORM = b'--%b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--%b--\r\n' % (
    BOUNDARY,
    BOUNDARY,
)
SSE = (
    b'event: message\ndata: {"choices":[{"delta":{"content":"Hi"}}],"usage":{"prompt_tokens":1}}\n\n'
    b"data: [DONE]\n\n"
)
SPICE = (
    b"\r\n", b"\n", b"\r", b"\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"chunked",
    b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"ffffffffffffffffff\r\n",
    b"HTTP/1.1 ", b"%0d%0a", b"{" * 400, b"[" * 3000, b"\xed\xa0\x80", b"1e999999", b"-0", b'"\\ud800"',
    b"\x81\xfe", b"data: ", b"key=a&key=b", b"Connection: upgrade\r\nUpgrade: websocket\r\n",
    b"Expect: 100-continue\r\n", b": ", b"NaN", b"\xef\xbb\xbf",
)  # fmt: skip


def broken(seeds: Sequence[bytes], dice: random.Random) -> bytes:
    """Return a seed with a few things done to it, or two of them in a row."""
    data = bytearray(dice.choice(seeds))
    if dice.random() < 0.2:
        data += dice.choice(seeds)
    for _ in range(dice.randrange(5)):
        at = dice.randrange(len(data) + 1)
        to = min(len(data), at + dice.randrange(1, 30))
        match dice.randrange(6):
            case 0:
                data[at:at] = dice.choice(SPICE)
            case 1:
                del data[at:to]
            case 2:
                data[at:to] = dice.randbytes(to - at)
            case 3 if at < len(data):
                data[at] ^= 1 << dice.randrange(8)
            case 4:
                data[at:at] = data[at:to] * dice.randrange(1, 40)
            case _:
                data[at:to] = dice.choice(SPICE)
    return bytes(data)


def cut(data: bytes, dice: random.Random) -> Iterator[bytes]:
    """Yield bytes in a few pieces, as a network does."""
    places = sorted(dice.randrange(len(data) + 1) for _ in range(dice.randrange(4)))
    for left, right in zip([0, *places], [*places, len(data)], strict=True):
        if left < right:
            yield data[left:right]


Target = Callable[[bytes, random.Random], None]


def into_hello(data: bytes, dice: random.Random) -> None:
    del dice
    try:
        held = hello.parse(data)
        assert (held is None) == bool(hello.lacking(data))
    except WireError:
        return
    if held is not None:
        assert len(greet(held).ja4) == 36


def into_proxy(data: bytes, dice: random.Random) -> None:
    del dice
    try:
        assert (proxy_protocol.parse(data) is None) == bool(proxy_protocol.lacking(data))
    except WireError:
        return


def into_gate(data: bytes, dice: random.Random) -> None:
    played = Stage(replies=one_reply if dice.random() < 0.8 else None)
    data = data.replace(b"TOKEN", played.token)
    caller = played.say(*cut(data, dice))
    if dice.random() < 0.5:
        caller.close()
        played.run(caller)
    for _ in range(12):
        played.wait(700, caller)
    _check(played)


def from_upstream(data: bytes, dice: random.Random) -> None:
    played = Stage()
    route = dice.choice([played.request(), REALTIME.replace(b"TOKEN", played.token)])
    caller = played.say(route)
    upstream = played.upstream.wires[0]
    for part in cut(data, dice):
        upstream.feed(part)
    if dice.random() < 0.5:
        upstream.close()
    played.run(caller)
    for _ in range(12):
        played.wait(700, caller)
    _check(played)


def _check(played: Stage) -> None:
    opened = [event.exchange for event in played.events if isinstance(event, ExchangeOpened)]
    assert sorted(opened) == sorted(event.exchange for event in played.ended), "each opening has one end"
    assert not played.gate.connections, "nothing is left behind"
    assert len(played.live) == 0
    row = played.meter.row(1)
    assert (row.held, row.parallel) == (0, 0), "every reservation is given back"
    assert all(event.client.network.ip for event in played.refused)


def into_taps(data: bytes, dice: random.Random) -> None:
    kinds = ("text/event-stream", "application/json", "application/vnd.amazon.eventstream", "")
    tap = tap_for(dice.choice(kinds), dice.choice([*GRAMMARS, ""]), websocket=dice.random() < 0.3)
    for part in cut(data, dice):
        tap.feed(part)
    assert tap.output_estimate() >= 0
    tap.served()


def into_grammars(data: bytes, dice: random.Random) -> None:
    try:
        GRAMMARS[dice.choice([*GRAMMARS])].read_request(data)
    except BodyUnreadable:
        return


def into_form(data: bytes, dice: random.Random) -> None:
    try:
        form = FormReader(b"multipart/form-data; boundary=" + BOUNDARY)
        for part in cut(data, dice):
            form.feed(part)
    except WireError:
        return
    assert sum(len(value) for _, value in form.fields) <= 64 * 4 * 512


def into_journal(data: bytes, dice: random.Random) -> None:
    read_header(data)
    salvage(data)
    assert unframe(mended(data)).records == unframe(mended(mended(data))).records
    if dice.random() < 0.5:
        data = json.dumps({"kind": data[:20].decode("latin-1"), "v": 1}).encode()
    try:
        decode(data)
    except RecordUnknown:
        return


def into_hub(data: bytes, dice: random.Random) -> None:
    frames = Frames(FROM_CLIENTS | TABLES | REPLIES, limit=1 << 20)
    try:
        for part in cut(data, dice):
            for _ in frames.feed(part):
                pass
    except WireError:
        return


REALTIME = (
    b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer TOKEN\r\n"
    b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
ASKED = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer TOKEN\r\n"
REQUESTS = (
    ASKED + b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY),
    ASKED
    + b"expect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    b"GET /v1/models?key=TOKEN HTTP/1.1\r\nhost: gate\r\n\r\n",
    b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: gate\r\nx-api-key: TOKEN\r\n"
    b"content-type: multipart/form-data; boundary=%b\r\ncontent-length: %d\r\n\r\n%b"
    % (BOUNDARY, len(FORM), FORM),
    b"POST /v1/messages HTTP/1.0\r\nx-api-key: TOKEN\r\nconnection: keep-alive\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY),
    REALTIME,
)
REPLIES_SEEN = (
    REPLY,
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: text/event-stream\r\n\r\n"
    b"%x\r\n%b\r\n0\r\n\r\n" % (len(SSE), SSE),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Slow\r\nretry-after: 5\r\ncontent-length: 2\r\n\r\n{}",
    (
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
        b"\x81\x02{}\x88\x00"
    ),
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{}",
    b"HTTP/1.1 204 No Content\r\n\r\n",
)
PROXY = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x50\x01\xbb"
MESSAGE = (
    b"\x00\x00\x00\x1c\x00\x00\x00\x08"
    + crc32(b"\x00\x00\x00\x1c\x00\x00\x00\x08").to_bytes(4, "big")
    + b"x" * 16
)
HELLOS = tuple(
    path.read_bytes() for path in (Path(__file__).resolve().parent.parent / "golden" / "hello").glob("*.bin")
) or (
    b"\x16\x03\x01\x00\x30\x01\x00\x00\x2c\x03\x03" + b"\x00" * 32 + b"\x00\x00\x02\x13\x01\x01\x00\x00\x01",
)
TARGETS: dict[str, tuple[Target, Sequence[bytes]]] = {
    "ClientHello": (into_hello, HELLOS),
    "PROXY header": (into_proxy, (PROXY,)),
    "requests": (into_gate, REQUESTS),
    "replies": (from_upstream, REPLIES_SEEN),
    "taps": (
        into_taps,
        (SSE, MESSAGE, REPLY.partition(b"\r\n\r\n")[2], b"\x81\x05hello\x82\x7e\x00\x80" + b"x" * 128),
    ),
    "bodies": (into_grammars, (BODY,)),
    "forms": (into_form, (FORM,)),
    "journal": (into_journal, (journal_frame(b'{"kind":"key.issued"}') * 3, b"")),
    "hub": (into_hub, (hub_frame(KeysChanged(Epoch(1), (virtual_key()[0],))),)),
}


@pytest.mark.parametrize("name", TARGETS)
def test_broken_bytes_are_refused_and_break_nothing(name: str) -> None:
    target, seeds = TARGETS[name]
    for seed in range(FEW):
        dice = random.Random(f"{name} {seed}")
        target(broken(seeds, dice), dice)


@pytest.mark.fuzz
@pytest.mark.parametrize("name", TARGETS)
def test_minutes_of_broken_bytes_break_nothing(name: str, minutes: float | None) -> None:
    target, seeds = TARGETS[name]
    seconds = 60 * (30.0 if minutes is None else minutes) / len(TARGETS)
    until, start = time.monotonic() + seconds, time.time_ns()
    count = 0
    while time.monotonic() < until:
        seed = f"{name} {start} {count}"
        dice = random.Random(seed)
        data = broken(seeds, dice)
        try:
            target(data, dice)
        except Exception as fault:
            raise AssertionError(f"random.Random({seed!r}), input {data!r}") from fault
        count += 1
    assert count
