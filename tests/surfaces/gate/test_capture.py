"""Content capture at the gate: what is kept of an exchange, and of which."""

from stage import BODY, PROVIDER_KEY, REPLY, REPLY_BODY, Stage, one_reply

from chatelaine.model.capture import Part
from chatelaine.model.settings import CaptureSettings
from chatelaine.model.words import ExchangeId

FIRST = ExchangeId("0" * 24)
ALL = CaptureSettings(enabled=True, everyone=True)


def capturing(**more: object) -> Stage:
    stage = Stage(**more)  # type: ignore[arg-type]  # passed on as they are
    stage.capture.change(ALL)
    return stage


def test_both_bodies_of_an_accepted_exchange_are_kept_as_they_passed() -> None:
    stage = capturing(replies=one_reply)
    stage.say(stage.request())
    assert stage.capture.content(FIRST, Part.REQUEST) == BODY
    assert stage.capture.content(FIRST, Part.REPLY) == REPLY_BODY
    assert all(piece.last for piece in stage.capture.pieces[-2:])


def test_nothing_is_kept_while_capture_is_off() -> None:
    stage = Stage(replies=one_reply)
    stage.say(stage.request())
    assert stage.ended
    assert not stage.capture.pieces


def test_nothing_is_kept_of_a_refused_exchange() -> None:
    stage = capturing(replies=one_reply)
    stage.say(stage.request().replace(stage.token, stage.token[:-1] + b"x"))
    assert stage.refused
    assert not stage.capture.pieces


def test_an_upload_is_kept_without_the_chunks_it_came_in() -> None:
    stage = capturing()
    form = (
        b'--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--x\r\n'
        b'content-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--x--\r\n'
    )
    head = (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer %b\r\n"
        b"content-type: multipart/form-data; boundary=x\r\ntransfer-encoding: chunked\r\n\r\n" % stage.token
    )
    chunks = [form[at : at + 50] for at in range(0, len(form), 50)]
    stage.say(head, *(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks), b"0\r\n\r\n")
    stage.upstream.wires[0].feed(REPLY)
    assert stage.capture.content(FIRST, Part.REQUEST) == form


def test_a_reply_that_breaks_off_is_kept_as_far_as_it_came_and_its_recording_ends() -> None:
    stage = capturing()
    caller = stage.say(stage.request())
    stage.upstream.wires[0].feed(REPLY[:-20])
    stage.upstream.wires[0].abort()
    stage.run(caller)
    assert stage.capture.content(FIRST, Part.REPLY) == REPLY_BODY[:-20]
    assert len(stage.ended) == 1
    assert {piece.part for piece in stage.capture.pieces if piece.last} == {Part.REQUEST, Part.REPLY}


def test_a_provider_key_that_an_upstream_echoes_is_not_kept_either() -> None:
    stage = capturing()
    stage.say(stage.request())
    body = b'{"echo":"%b"}' % PROVIDER_KEY
    stage.upstream.wires[0].feed(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    assert PROVIDER_KEY not in stage.capture.content(FIRST, Part.REPLY)
    assert b"echo" in stage.capture.content(FIRST, Part.REPLY)
