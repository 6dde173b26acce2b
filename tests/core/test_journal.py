"""The journal's bytes: any cut and any flipped bit is told apart, and good records are kept."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.codec import decode
from chatelaine.core.journal import (
    FRAME_SIZE,
    HEADER_SIZE,
    blank,
    first_frame,
    frame,
    header,
    left_open,
    mended,
    read_header,
    salvage,
    tell_ending,
    unframe,
)
from chatelaine.model.event import Event, ExchangeEnded, ExchangeInterrupted, ExchangeOpened
from chatelaine.model.journal import Ending, Position, SegmentHeader
from chatelaine.model.words import ExchangeId, Instant, WorkerNumber

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "events"

payloads = st.lists(
    st.binary(max_size=60).map(lambda data: b'{"kind":' + data + b"}"), min_size=1, max_size=8
)
headers = st.builds(
    SegmentHeader,
    st.integers(0, 999_999_999).map(WorkerNumber),
    st.integers(0, 10**12 - 1),
    st.integers(-(10**19), 10**19).map(Instant),
    st.builds(Position, st.integers(0, 10**12 - 1), st.integers(0, 10**15 - 1)),
    st.booleans(),
)


def ends(records: list[bytes]) -> list[int]:
    return [sum(FRAME_SIZE + len(one) for one in records[: count + 1]) for count in range(len(records))]


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def read(data: bytes) -> list[bytes]:
    return [payload for run in salvage(data) for _, payload in run.records]


@given(headers)
def test_a_header_says_what_it_was_told_in_a_line_of_fixed_length(told: SegmentHeader) -> None:
    assert len(header(told)) == HEADER_SIZE
    assert header(told).endswith(b"\n")
    assert read_header(header(told)) == told


@given(headers, st.integers(0, HEADER_SIZE * 8 - 1))
def test_no_flipped_bit_of_a_header_is_believed(told: SegmentHeader, bit: int) -> None:
    assert read_header(flip(header(told), bit)) is None


@given(headers, st.integers(0, HEADER_SIZE - 1))
def test_a_header_cut_short_is_none(told: SegmentHeader, size: int) -> None:
    assert read_header(header(told)[:size]) is None


@given(payloads)
def test_frames_give_back_what_they_hold(records: list[bytes]) -> None:
    run = unframe(b"".join(map(frame, records)))
    assert [payload for _, payload in run.records] == records
    assert [behind for behind, _ in run.records] == ends(records)
    assert run.ending is Ending.WHOLE


@given(payloads, st.data())
def test_any_cut_gives_exactly_the_whole_records_and_is_no_damage(
    records: list[bytes], data: st.DataObject
) -> None:
    whole = b"".join(map(frame, records))
    cut = data.draw(st.integers(0, len(whole)))
    run = unframe(whole[:cut])
    kept = sum(end <= cut for end in ends(records))
    assert [payload for _, payload in run.records] == records[:kept]
    assert run.end == ([0, *ends(records)])[kept]
    assert (run.ending is Ending.WHOLE) == (run.end == cut)
    assert tell_ending(whole[run.end : cut]) is not Ending.BROKEN


@given(payloads, st.data(), st.integers(0, 5000))
def test_zeros_behind_a_cut_are_what_a_power_loss_leaves(
    records: list[bytes], data: st.DataObject, zeros: int
) -> None:
    whole = b"".join(map(frame, records))
    cut = data.draw(st.integers(0, len(whole)))
    left = whole[:cut].rstrip(b"\0") + b"\0" * zeros
    run = unframe(left)
    assert tell_ending(left[run.end :]) is not Ending.BROKEN


@given(payloads, st.data())
def test_any_flipped_bit_costs_its_own_record_and_no_other(records: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(map(frame, records))
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    hit = sum(end <= bit // 8 for end in ends(records))
    damaged = flip(whole, bit)
    assert read(damaged) == records[:hit] + records[hit + 1 :]
    run = unframe(damaged)
    assert run.ending is not Ending.WHOLE
    if hit < len(records) - 1:
        assert tell_ending(damaged[run.end :]) is Ending.BROKEN


@given(payloads, st.data())
def test_mending_keeps_every_good_record_where_it_was(records: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(map(frame, records))
    bits = data.draw(st.lists(st.integers(0, len(whole) * 8 - 1), min_size=1, max_size=4))
    damaged = whole
    for bit in bits:
        damaged = flip(damaged, bit)
    good = dict(run for part in salvage(damaged) for run in _absolute(part.records, damaged))
    after = unframe(mended(damaged))
    assert after.ending is Ending.WHOLE
    assert {behind: payload for behind, payload in after.records if not blank(payload)} == good
    assert mended(mended(damaged)) == mended(damaged)


def _absolute(records: list[tuple[int, bytes]], damaged: bytes) -> list[tuple[int, bytes]]:
    # Offsets of every run count from the start of the whole.
    assert all(damaged[behind - len(payload) : behind] == payload for behind, payload in records)
    return records


@pytest.mark.parametrize("noise", [b"\xff" * 4096, b'{"kind":' * 2000, bytes(range(256)) * 16])
def test_noise_holds_no_record(noise: bytes) -> None:
    assert read(noise) == []
    assert mended(noise) == b""


def test_a_length_of_gigabytes_is_damage_and_not_waited_for() -> None:
    assert unframe(b"\xff\xff\xff\x7f" + b"\0" * 100).ending is Ending.BROKEN


def event(kind: str, exchange: str) -> Event:
    read_from = decode((GOLDEN / f"exchange.{kind}.v1.json").read_bytes())
    assert isinstance(read_from, ExchangeOpened | ExchangeEnded | ExchangeInterrupted)
    return msgspec.structs.replace(read_from, exchange=ExchangeId(exchange))


def test_left_open_is_what_was_carried_or_opened_and_not_ended() -> None:
    carried = left_open((), [event("opened", name) for name in "abcd"])
    assert [one.exchange for one in carried] == ["a", "b", "c", "d"]
    since = [event("ended", "a"), event("opened", "e"), event("interrupted", "b"), event("ended", "z")]
    still = left_open(carried, since)
    assert [one.exchange for one in still] == ["c", "d", "e"]
    assert (still[0].slot, still[0].cost, still[0].caller.owner) == (7, 1234567, "acme")


def test_what_is_carried_over_is_a_record_like_any_other() -> None:
    [(behind, _)] = unframe(first_frame(())).records
    assert behind == len(first_frame(()))
