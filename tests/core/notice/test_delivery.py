"""The table of deliveries, walked along every path, and the waits between attempts."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.machine import diagram, final_states, paths
from chatelaine.core.notice.delivery import (
    ATTEMPTS_MAX,
    DELIVERY,
    FIRST_WAIT,
    LONGEST_ASKED,
    LONGEST_WAIT,
    notice_id,
    received,
    requeued,
    wait_after,
)
from chatelaine.model.error import TransitionRefused
from chatelaine.model.notice import Delivery, DeliveryInput, DeliveryState, PutOff, Refused, Taken
from chatelaine.model.words import Instant, NoticeId, ReceiverName

ID = NoticeId("msg_" + "0" * 24)
NEW = Delivery(ID, ReceiverName("a"))
PATHS = tuple(paths(DELIVERY, longest=7))


def test_sent_is_the_only_final_state_and_every_input_is_taken_on_some_path() -> None:
    assert final_states(DELIVERY) == {DeliveryState.SENT}
    assert {given for path in PATHS for given, _ in path} == set(DeliveryInput)
    assert {step.state for path in PATHS for _, step in path} == set(DeliveryState)


def test_no_path_leads_from_dead_to_sent_but_by_somebody_who_wants_it() -> None:
    for path in PATHS:
        dead = False
        for given_, step in path:
            if dead:
                assert given_ is DeliveryInput.REQUEUED
            dead = step.state is DeliveryState.DEAD


def test_the_diagram_in_the_docs_is_current() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "notify.md"
    assert f"```mermaid\n{diagram(DELIVERY)}```" in page.read_text(encoding="utf-8")


def test_what_was_sent_is_not_touched_again() -> None:
    sent = received(NEW, Taken(), at=Instant(1))
    for change in (lambda: received(sent, Taken(), at=Instant(2)), lambda: requeued(sent, at=Instant(2))):
        with pytest.raises(TransitionRefused, match="is sent"):
            change()


def test_a_delivery_is_tried_so_often_and_then_dead_and_then_so_often_again() -> None:
    one, at = NEW, Instant(0)
    for _ in range(2):
        for attempt in range(1, ATTEMPTS_MAX):
            one = received(one, PutOff("busy"), at=at)
            assert (one.state, one.attempts) == (DeliveryState.RETRYING, attempt)
            assert one.next_at > at
            at = one.next_at
        one = received(one, PutOff("busy"), at=at)
        assert (one.state, one.attempts, one.fault) == (DeliveryState.DEAD, ATTEMPTS_MAX, "busy")
        one = requeued(one, at=at)
        assert (one.state, one.attempts, one.next_at) == (DeliveryState.PENDING, 0, at)


def test_all_attempts_together_take_more_than_a_day_and_less_than_two() -> None:
    whole = sum((wait_after(number, ID) for number in range(1, ATTEMPTS_MAX)), timedelta())
    assert timedelta(days=1) < whole < timedelta(days=2)


def test_what_is_refused_for_good_is_dead_at_once() -> None:
    assert received(NEW, Refused("gone"), at=Instant(7)) == replace(
        NEW, state=DeliveryState.DEAD, attempts=1, fault="gone", changed_at=Instant(7)
    )


@given(st.integers(-5, 10**6), st.text(max_size=9), st.none() | st.timedeltas(timedelta(), timedelta.max / 2))
def test_a_wait_is_bounded_and_not_shorter_than_asked(
    attempts: int, name: str, asked: timedelta | None
) -> None:
    wait = wait_after(attempts, NoticeId(name), asked)
    assert FIRST_WAIT <= wait <= max(LONGEST_WAIT * 1.2, LONGEST_ASKED)
    assert wait >= min(asked or timedelta(), LONGEST_ASKED)
    assert wait == wait_after(attempts, NoticeId(name), asked)


def test_waits_grow_and_notices_that_failed_together_come_back_apart() -> None:
    waits = [wait_after(number, ID) for number in range(1, 8)]
    assert waits == sorted(waits)
    apart = {wait_after(3, notice_id("incident", str(number))) for number in range(50)}
    assert len(apart) == 50


def test_the_fault_that_is_kept_has_no_credential_and_is_bounded() -> None:
    said = "Authorization: Bearer hunter2hunter2\r\n" + "x" * 1000
    kept = received(NEW, PutOff(said), at=Instant(0)).fault
    assert "hunter2" not in kept
    assert len(kept) <= 300
    assert kept.isprintable()


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_ids_differ_where_what_is_told_differs(one: list[str], other: list[str]) -> None:
    half_surrogates = any("\ud800" <= letter <= "\udfff" for letter in "".join((*one, *other)))
    assert half_surrogates or (notice_id(*one) == notice_id(*other)) == (one == other)
    assert len(notice_id(*one)) == 28
