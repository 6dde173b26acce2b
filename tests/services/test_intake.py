"""The way in of a request's body: what is held, what passes, what is refused."""

import pytest

from chatelaine.core.exchange.head import read_head
from chatelaine.model.error import WireError
from chatelaine.model.exchange import Operation, RouteMatch
from chatelaine.model.words import ProviderId
from chatelaine.services.exchange.intake import Intake

FORM = b"multipart/form-data; boundary=edge"
OPENAI = ProviderId("openai")
FILES = RouteMatch(OPENAI, "/v1/files", Operation.FILE, "", upload=True)
AUDIO = RouteMatch(OPENAI, "/v1/audio/transcriptions", Operation.TRANSCRIPTION, "openai_speech", upload=True)
ANYTHING = RouteMatch(OPENAI, "unknown", Operation.OTHER, "", upload=True, anything=True)
FILE = b'--edge\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
LIMIT = 10_000_000
HELD = 200_000


def field(name: str, value: str) -> bytes:
    return f'--edge\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def intake(route: RouteMatch, kind: bytes = FORM) -> Intake:
    pairs = [(b"host", b"gate"), (b"transfer-encoding", b"chunked")]
    if kind:
        pairs.append((b"content-type", kind))
    return Intake(read_head(b"POST", b"/x", "1.1", pairs), route, limit=LIMIT, held=HELD)


@pytest.mark.parametrize(
    "kind",
    [
        b"",
        b"application/json",
        b"application/octet-stream",
        b"text/plain; multipart/form-data",
        b"multipart/mixed; boundary=edge",
        b"application/x-www-form-urlencoded",
        b"multipart/form-datax; boundary=edge",
    ],
)
@pytest.mark.parametrize("route", [AUDIO, FILES])
def test_an_upload_that_is_no_form_is_refused_before_it_is_taken(route: RouteMatch, kind: bytes) -> None:
    with pytest.raises(WireError) as refused:
        intake(route, kind)
    assert refused.value.clause == "RFC 9110 §15.5.16"


@pytest.mark.parametrize("kind", [b"", b"application/octet-stream", b"multipart/related; boundary=edge"])
def test_a_path_that_no_card_names_takes_any_kind_of_body(kind: bytes) -> None:
    taken = intake(ANYTHING, kind)
    taken.take(b"\x00anything")
    assert taken.decidable
    assert taken.fields == ()
    assert taken.drain() == b"\x00anything"


def test_the_form_behind_a_path_that_no_card_names_is_read_as_it_passes() -> None:
    taken = intake(ANYTHING)
    taken.take(field("model", "m") + FILE)
    assert taken.fields == (("model", "m"),)


def test_an_upload_is_decided_on_when_its_fields_have_come_and_its_file_begins() -> None:
    taken = intake(AUDIO)
    taken.take(field("model", "whisper-1"))
    assert not taken.decidable
    taken.take(FILE)
    assert taken.decidable
    assert taken.fields == (("model", "whisper-1"),)


def test_a_file_before_the_model_is_held_until_the_model_comes() -> None:
    taken = intake(AUDIO)
    taken.take(FILE + b"x" * 100_000)
    assert not taken.decidable
    taken.take(b"\r\n" + field("model", "whisper-1") + b"--edge--\r\n")
    assert taken.decidable
    assert taken.fields == (("model", "whisper-1"),)


def test_a_file_before_the_model_is_not_held_for_ever() -> None:
    taken = intake(AUDIO)
    taken.take(FILE + b"x" * 100_000)
    with pytest.raises(WireError, match="before its files"):
        taken.take(b"x" * 100_000)


def test_a_file_without_a_model_need_not_wait_for_one() -> None:
    taken = intake(FILES)
    taken.take(field("purpose", "batch") + FILE)
    assert taken.decidable


def test_a_model_in_the_path_is_not_waited_for_in_the_form() -> None:
    route = RouteMatch(OPENAI, "t", Operation.TRANSCRIPTION, "openai_speech", model="deployed", upload=True)
    taken = intake(route)
    taken.take(FILE)
    assert taken.decidable
    taken.take(b"x\r\n" + field("model", "whatever") + b"--edge--\r\n")


@pytest.mark.parametrize(("name", "value"), [("model", "another"), ("n", "10"), ("n", "ten")])
def test_a_field_that_decides_and_comes_late_is_refused(name: str, value: str) -> None:
    taken = intake(AUDIO)
    taken.take(field("model", "whisper-1") + FILE + b"x\r\n")
    with pytest.raises(WireError, match=f"says {name} late"):
        taken.take(field(name, value) + b"--edge--\r\n")


def test_a_field_that_decides_nothing_may_come_late() -> None:
    taken = intake(AUDIO)
    taken.take(field("model", "whisper-1") + FILE)
    taken.take(b"x\r\n" + field("language", "de") + field("n", "1") + b"--edge--\r\n")
    assert taken.fields[1:] == (("language", "de"), ("n", "1"))


def test_a_body_larger_than_allowed_is_refused() -> None:
    taken = intake(ANYTHING, b"")
    with pytest.raises(WireError, match="larger"):
        taken.take(b"x" * (LIMIT + 1))


def test_an_upload_that_cannot_be_sent_on_yet_brims() -> None:
    taken = intake(FILES)
    taken.take(FILE + b"x" * 200_000)
    assert not taken.brimming
    taken.take(b"x" * 200_000)
    assert taken.brimming
    taken.drain()
    assert not taken.brimming


CHAT = RouteMatch(OPENAI, "/v1/chat/completions", Operation.CHAT, "openai")
BATCHES = RouteMatch(OPENAI, "/v1/batches", Operation.BATCH, "")


@pytest.mark.parametrize(
    "kind",
    [
        b"",
        b"application/json",
        b"application/x-www-form-urlencoded",
        FORM,
        b"application/json; charset=utf-7",
    ],
)
def test_a_body_that_is_read_as_json_is_sent_on_as_json(kind: bytes) -> None:
    taken = intake(CHAT, kind)
    taken.take(b'{"a":"&model=another&"}')
    head = read_head(b"POST", b"/x", "1.1", [(b"host", b"gate"), (b"content-type", kind)])
    assert taken.framing(head) == b"content-type: application/json\r\ncontent-length: 23\r\n"


def test_a_body_that_is_not_read_is_sent_on_as_what_it_is_called() -> None:
    head = read_head(b"POST", b"/x", "1.1", [(b"host", b"gate"), (b"content-type", b"text/plain")])
    taken = intake(BATCHES)
    taken.take(b"x")
    assert taken.framing(head) == b"content-type: text/plain\r\ncontent-length: 1\r\n"
    assert intake(ANYTHING, b"").framing(head).startswith(b"content-type: text/plain\r\n")


def test_a_request_without_a_body_is_sent_on_without_one() -> None:
    head = read_head(b"GET", b"/x", "1.1", [(b"host", b"gate")])
    assert Intake(head, CHAT, limit=LIMIT, held=HELD).framing(head) == b""


SECONDS = 1_000_000_000


def test_a_span_without_enough_is_found_at_its_end_and_the_next_begins_anew() -> None:
    taken = intake(ANYTHING, b"")

    def pace(now: int) -> bool:
        return taken.keeps_pace(now * SECONDS, span=10 * SECONDS, least=100)

    assert pace(0)
    taken.take(b"x" * 100)
    assert pace(9)
    assert pace(10)
    taken.take(b"x" * 99)
    assert pace(19)
    assert not pace(20)


def test_a_span_in_which_the_caller_was_held_back_does_not_count() -> None:
    taken = intake(ANYTHING, b"")
    assert taken.keeps_pace(0, span=10, least=100)
    taken.stalled = True
    assert taken.keeps_pace(11, span=10, least=100)
    taken.stalled = False
    assert taken.keeps_pace(20, span=10, least=100)
    assert not taken.keeps_pace(21, span=10, least=100)
