"""Uploads at the gate: forms pass as they come, what is no form is refused, and nothing piles up."""

from dataclasses import replace

import pytest
from stage import REPLY, Stage, Wire, bodies_of, statuses

from chatelaine.core.exchange.head import Head
from chatelaine.model.exchange import EndReason, Operation, RefusalReason, RouteMatch
from chatelaine.model.words import ProviderId

FORM = b"multipart/form-data; boundary=edge"
MODEL = b'--edge\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
FILE = b'--edge\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
END = b"\r\n--edge--\r\n"
ANYTHING = RouteMatch(ProviderId("openai"), "unknown", Operation.OTHER, "", upload=True, anything=True)


def stage(*, anything: bool = False) -> Stage:
    """Return a stage; with ``anything``, paths that no card names are allowed."""
    made = Stage()
    if anything:
        known = made.room.match

        def match(head: Head) -> RouteMatch | None:
            return known(head) or ANYTHING

        made.room = replace(made.room, match=match)
    return made


def upload(played: Stage, body: bytes, *, path: bytes = b"/v1/audio/transcriptions", kind: bytes) -> bytes:
    return (
        b"POST %b HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer %b\r\ncontent-type: %b\r\n"
        b"content-length: %d\r\n\r\n%b" % (path, played.token, kind, len(body), body)
    )


@pytest.mark.parametrize("path", [b"/v1/audio/transcriptions", b"/v1/images/edits", b"/v1/files"])
@pytest.mark.parametrize("kind", [b"application/json", b"application/octet-stream", b"multipart/mixed"])
def test_an_upload_that_is_no_form_is_refused_and_recorded(path: bytes, kind: bytes) -> None:
    played = stage()
    caller = played.say(upload(played, b'{"model":"gpt-4o"}', path=path, kind=kind))
    assert statuses(caller.out) == [415]
    (refused,) = played.refused
    assert (refused.status, refused.reason) == (415, RefusalReason.MEDIA_TYPE)
    assert refused.caller.app == "shop"
    assert refused.asked.route.encode() == path
    assert played.sent == b""


def test_a_body_of_any_kind_passes_on_a_path_that_no_card_names_where_that_is_allowed() -> None:
    played = stage(anything=True)
    caller = played.say(upload(played, b"\x00\x01", path=b"/v1/new", kind=b"application/octet-stream"))
    assert bodies_of(played.sent) == (b"\x00\x01",)
    played.upstream.wires[0].feed(REPLY)
    assert statuses(caller.out) == [200]


def test_a_form_passes_as_it_comes_and_its_model_is_recorded() -> None:
    played = stage()
    whole = upload(played, MODEL + FILE + b"RIFF" + END, kind=FORM)
    caller = played.say(whole[:-10])
    assert b"RIFF" in played.sent
    played.say(whole[-10:], caller=caller)
    played.upstream.wires[0].feed(REPLY)
    assert statuses(caller.out) == [200]
    assert [event.reason for event in played.ended] == [EndReason.COMPLETED]


def test_a_second_model_behind_the_file_breaks_the_upload_off() -> None:
    played = stage()
    whole = upload(played, MODEL + FILE + b"RIFF\r\n" + MODEL.replace(b"whisper", b"gpt-4") + END, kind=FORM)
    front = whole.index(b"RIFF")
    caller = played.say(whole[:front], whole[front:])
    assert statuses(caller.out) == []
    assert caller.closing
    assert [event.reason for event in played.ended] == [EndReason.CLIENT_LEFT]
    assert b"gpt-4" not in played.sent


def test_a_reply_to_head_declares_its_length_has_no_body_and_both_connections_serve_on() -> None:
    played = stage(anything=True)
    asked = b"HEAD /v1/new HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer %b\r\n\r\n" % played.token
    caller = played.say(asked)
    (wire,) = played.upstream.wires
    wire.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 123\r\n\r\n")
    assert bytes(caller.out).endswith(b"content-length: 123\r\n\r\n")
    assert [event.reason for event in played.ended] == [EndReason.COMPLETED]
    told = len(caller.out)
    played.say(played.request(), caller=caller)
    assert played.upstream.wires == [wire]
    wire.feed(REPLY)
    assert statuses(caller.out[told:]) == [200]


def test_an_upload_is_not_held_whole_while_its_upstream_is_connected_to() -> None:
    played = stage()
    caller = played.caller()
    played.journal._prompt = False
    whole = upload(played, MODEL + FILE + b"x" * 1_000_000 + END, kind=FORM)
    sent = 0
    while sent < len(whole) and not caller.paused:
        caller.feed(whole[sent : sent + 10_000])
        sent += 10_000
    assert caller.paused
    assert sent < 400_000
    played.journal.settle(durable=True)
    assert not caller.paused
    caller.feed(whole[sent:])
    played.upstream.wires[0].feed(REPLY)
    assert bodies_of(played.sent) == (whole[whole.index(b"\r\n\r\n") + 4 :],)
    assert statuses(caller.out) == [200]


def test_the_answer_to_an_upload_that_was_held_back_is_not_lost_to_what_was_not_read() -> None:
    played = stage()
    caller = played.caller()
    played.journal._prompt = False
    whole = upload(played, MODEL + FILE + b"x" * 1_000_000 + END, kind=FORM)
    caller.feed(whole[:200_000])
    caller.feed(whole[200_000:500_000])
    assert caller.paused
    played.journal.settle(durable=False)
    assert statuses(caller.out) == [503]
    assert caller.eof_written
    assert not caller.paused


def drip(played: Stage, caller: Wire, seconds: int) -> None:
    for _ in range(seconds):
        caller.feed(b"x")
        played.wait(1, caller)


def test_an_upload_that_drips_is_broken_off_and_told_so() -> None:
    played = stage()
    whole = upload(played, MODEL + FILE + b"x" * 1_000_000 + END, kind=FORM)
    caller = played.say(whole[:1000])
    drip(played, caller, 62)
    assert statuses(caller.out) == [408]
    assert [event.reason for event in played.ended] == [EndReason.IDLE_TIMEOUT]
    assert played.upstream.wires[0].closing


def test_an_upload_that_drips_under_a_reply_does_not_keep_it_open() -> None:
    played = stage()
    whole = upload(played, MODEL + FILE + b"x" * 1_000_000 + END, kind=FORM)
    caller = played.say(whole[:1000])
    played.upstream.wires[0].feed(REPLY[:-5])
    drip(played, caller, 62)
    assert caller.closing
    assert [event.reason for event in played.ended] == [EndReason.IDLE_TIMEOUT]


def test_a_caller_is_not_blamed_for_an_upstream_that_takes_nothing() -> None:
    played = stage()
    whole = upload(played, MODEL + FILE + b"x" * 1_000_000 + END, kind=FORM)
    caller = played.say(whole[:1000])
    (wire,) = played.upstream.wires
    wire.slow = True
    caller.feed(whole[1000:200_000])
    assert caller.paused
    for _ in range(90):
        played.wait(1, caller)
    assert not played.ended
    wire.read_out()
    wire.slow = False
    assert not caller.paused
    caller.feed(whole[200_000:])
    wire.feed(REPLY)
    assert statuses(caller.out) == [200]


def test_an_upstream_that_takes_nothing_for_long_is_blamed_itself() -> None:
    played = stage()
    caller = played.say(upload(played, MODEL + FILE + b"x" * 1_000_000 + END, kind=FORM)[:1000])
    played.upstream.wires[0].slow = True
    caller.feed(b"x" * 200_000)
    for _ in range(2):
        played.wait(601, caller)
    assert statuses(caller.out) == [504]
    assert [event.reason for event in played.ended] == [EndReason.UPSTREAM_TIMEOUT]
