"""The codec: golden files, round trips, and what no peer may break."""

from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.codec import CLASSES, LARGEST, decode, decode_carried, encode, encode_carried
from chatelaine.model.error import RecordUnknown
from chatelaine.model.event import AdminActed, Event, ExchangeOpened, ExchangeRefused
from chatelaine.model.exchange import Asked
from chatelaine.model.journal import Carried, OpenExchange
from chatelaine.model.words import NEVER

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "events"

finite = st.floats(allow_nan=False, allow_infinity=False)
asked = st.builds(Asked, numbers=st.lists(st.tuples(st.text(), finite), max_size=4).map(tuple))


def build(one: type[Event]) -> st.SearchStrategy[Event]:
    return st.builds(one, asked=asked) if "asked" in one.__struct_fields__ else st.builds(one)


events = st.one_of([build(one) for one in CLASSES])


def golden(one: type[Event]) -> bytes:
    return (GOLDEN / f"{one.kind}.v{one.version}.json").read_bytes().removesuffix(b"\n")


@pytest.mark.parametrize("one", CLASSES, ids=lambda one: one.kind)
def test_a_golden_file_is_read_and_written_back_byte_for_byte(one: type[Event]) -> None:
    event = decode(golden(one))
    assert type(event) is one
    assert encode(event) == golden(one)


def test_every_golden_file_belongs_to_a_class_and_every_class_has_one() -> None:
    assert get_args(Event) == CLASSES
    names = {f"{one.kind}.v{one.version}.json" for one in CLASSES}
    assert {path.name for path in GOLDEN.iterdir()} >= names
    for path in GOLDEN.iterdir():
        decode(path.read_bytes())


@pytest.mark.parametrize("one", CLASSES, ids=lambda one: one.kind)
def test_a_golden_file_shows_every_field(one: type[Event]) -> None:
    envelope = msgspec.json.decode(golden(one))
    assert tuple(envelope) == ("kind", "version", "event")
    assert tuple(envelope["event"]) == one.__struct_fields__


@given(events)
def test_what_is_encoded_decodes_to_the_same(event: Event) -> None:
    assert decode(encode(event)) == event


@given(events, st.dictionaries(st.text(min_size=1).map(lambda name: f"new_{name}"), st.integers()))
def test_fields_of_a_newer_release_are_passed_over(event: Event, more: dict[str, int]) -> None:
    envelope = msgspec.json.decode(encode(event))
    envelope["event"] |= more
    envelope |= more
    assert decode(msgspec.json.encode(envelope)) == event


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"{}",
        b"[" * 5000,
        b"\xff\xfe",
        b'{"kind":"exchange.dreamt","version":1,"event":{}}',
        b'{"kind":"exchange.opened","version":2,"event":{}}',
        b'{"kind":"exchange.opened","version":1,"event":{}}',
        b'{"kind":"exchange.opened","version":"1","event":{}}',
        b'{"kind":"admin.acted","version":1,"event":{"at":1,"action":"\\ud800","by":"","outcome":""}}',
    ],
)
def test_what_is_no_record_is_unknown(payload: bytes) -> None:
    with pytest.raises(RecordUnknown):
        decode(payload)


def test_a_newer_kind_is_named_with_the_way_out() -> None:
    with pytest.raises(RecordUnknown, match=r"exchange\.dreamt.*\n.*newer release"):
        decode(b'{"kind":"exchange.dreamt","version":1,"event":{}}')


@given(st.text(st.characters(), max_size=50))
def test_half_surrogates_become_replacement_characters(text: str) -> None:
    kept = decode(encode(AdminActed(NEVER, text, "", "")))
    assert isinstance(kept, AdminActed)
    assert kept.action == text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@pytest.mark.parametrize("size", [LARGEST, 10 * LARGEST, 1000 * LARGEST])
@pytest.mark.parametrize("one", [ExchangeOpened, ExchangeRefused])
def test_a_hostile_length_is_cut_and_marked(one: type[Event], size: int) -> None:
    event = decode(golden(one))
    long = Asked(model="m" * size, numbers=tuple((f"n{n}" * 20, 1.0) for n in range(min(size, 20_000) // 10)))
    written = encode(msgspec.structs.replace(event, asked=long))
    assert len(written) <= LARGEST
    kept = decode(written)
    assert isinstance(kept, ExchangeOpened | ExchangeRefused)
    assert kept.asked.model.endswith("m…")
    assert len(kept.asked.numbers) > 5


def test_what_is_carried_over_is_told_from_events() -> None:
    event = decode(golden(ExchangeOpened))
    assert isinstance(event, ExchangeOpened)
    one = OpenExchange(event.exchange, event.worker, event.at, event.caller, 7, event.reserved.cost)
    assert decode_carried(encode_carried(Carried((one,)))) == Carried((one,))
    assert decode_carried(encode(event)) is None
    with pytest.raises(RecordUnknown):
        decode_carried(encode_carried(Carried((one,)))[:-3])
