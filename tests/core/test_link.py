"""Frames between our processes: whole messages come out however the bytes arrive, and nothing else does."""

from contextlib import suppress
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.link import FROM_CLIENTS, REPLIES, TABLES, Frames, frame, orders_line, read_orders, split
from chatelaine.model.error import WireError
from chatelaine.model.key import Grant, KeyInput, KeyState, VirtualKey
from chatelaine.model.link import (
    FRAME_LIMIT,
    ChangeKey,
    HubOrders,
    Message,
    ReadStatus,
    RotateKey,
    StoreProviderKey,
    WorkerOrders,
)
from chatelaine.model.playbook import HabitTable, Lane, Restraint, UnknownClient
from chatelaine.model.push import (
    HabitsChanged,
    HabitsSent,
    KeysChanged,
    KeysSent,
    RestraintsChanged,
    RestraintsSent,
    SecretsSent,
    SettingsSent,
    TableMessage,
)
from chatelaine.model.words import (
    ActionId,
    AppName,
    Epoch,
    Instant,
    KeyId,
    OwnerId,
    PepperId,
    ProviderKeyName,
    WorkerNumber,
)


def a_key(kid: str = "abcdefghi", contact: str = "a@example.com") -> VirtualKey:
    return VirtualKey(
        id=KeyId(kid),
        env="live",
        owner=OwnerId("acme"),
        app=AppName("bot"),
        contact=contact,
        grant=Grant(models=("m*",)),
        state=KeyState.ACTIVE,
        digest=b"\xff" * 32,
        pepper=PepperId("first"),
        slot=7,
        issued_at=Instant(1),
        expires_at=None,
    )


A_RESTRAINT = Restraint(
    ActionId("act_0123456789aB"), KeyId("abcdefghi"), Lane.THROTTLE, Instant(9), foreign=True
)
A_HABIT = HabitTable(KeyId("abcdefghi"), (1, 2**32 - 1), answer=UnknownClient.REFUSE, alarmed=True)
TABLE: list[Message] = [
    KeysSent(Epoch(3), (a_key(),), first=True, last=False),
    KeysChanged(Epoch(4), (a_key(), a_key("zzzzzzzzz"))),
    SecretsSent(Epoch(5), {ProviderKeyName("openai"): b"\x00sk"}),
    SettingsSent(Epoch(6), "digest"),
    RestraintsSent(Epoch(7), (A_RESTRAINT,), first=True, last=True),
    RestraintsChanged(Epoch(8), (A_RESTRAINT,), (ActionId("act_000000000000"),)),
    HabitsSent(Epoch(9), (A_HABIT,), first=False, last=True),
    HabitsChanged(Epoch(10), (A_HABIT,), (KeyId("abcdefghi"),)),
]


@given(cuts=st.lists(st.integers(1, 300), max_size=40))
def test_messages_come_whole_out_of_bytes_in_any_pieces(cuts: list[int]) -> None:
    data = b"".join(map(frame, TABLE))
    frames, found, at = Frames(TABLES), [], 0
    for cut in [*cuts, len(data)]:
        found += frames.feed(data[at : at + cut])
        at += cut
    assert found == TABLE
    assert not frames.partial


@given(data=st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_but_a_wire_error(data: bytes) -> None:
    frames = Frames(FROM_CLIENTS, limit=1000)
    with suppress(WireError):
        assert list(frames.feed(data)) == []


@given(body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_a_frame_that_holds_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(WireError):
        list(Frames(FROM_CLIENTS).feed(len(body).to_bytes(4, "big") + body))


def test_a_frame_above_the_limit_is_refused_before_it_is_held() -> None:
    frames = Frames(FROM_CLIENTS, limit=1000)
    with pytest.raises(WireError, match="larger than 1000"):
        list(frames.feed((1001).to_bytes(4, "big")))


def test_a_message_above_the_limit_is_not_sent() -> None:
    with pytest.raises(WireError, match="does not fit"):
        frame(SettingsSent(Epoch(1), "x" * FRAME_LIMIT))


def test_nested_deep_json_is_refused_and_not_a_crash() -> None:
    body = b'{"kind":"ReadStatus","body":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(WireError):
        list(Frames(FROM_CLIENTS).feed(len(body).to_bytes(4, "big") + body))


@pytest.mark.parametrize("accepted", [TABLES, REPLIES])
def test_each_side_accepts_only_what_is_said_to_it(accepted: frozenset[str]) -> None:
    with pytest.raises(WireError, match="not expected"):
        list(Frames(accepted).feed(frame(ReadStatus())))


def test_what_workers_are_told_and_what_they_say_do_not_overlap() -> None:
    assert not TABLES & FROM_CLIENTS
    assert not TABLES & REPLIES
    assert not REPLIES & FROM_CLIENTS
    assert len(TABLES | REPLIES | FROM_CLIENTS) == len(get_args(Message))


@given(sizes=st.lists(st.integers(0, 300_000), max_size=12))
def test_keys_are_split_so_that_every_part_fits_a_frame(sizes: list[int]) -> None:
    keys = [a_key(f"{number:09}", contact="x" * size) for number, size in enumerate(sizes)]
    parts = list(split(keys))
    assert [key for part in parts for key in part] == keys
    assert all(len(frame(KeysChanged(Epoch(1), part))) < FRAME_LIMIT for part in parts)


def test_values_keep_their_types_on_the_way() -> None:
    for sent in (
        RotateKey(key=KeyId("abcdefghi"), by="x", overlap=timedelta(hours=3)),
        ChangeKey(key=KeyId("abcdefghi"), change=KeyInput.SUSPEND, by="x"),
    ):
        assert list(Frames(FROM_CLIENTS).feed(frame(sent))) == [sent]


def test_secrets_do_not_stand_in_what_a_log_would_show() -> None:
    sent = SecretsSent(Epoch(1), {ProviderKeyName("openai"): b"sk-canary"})
    stored = StoreProviderKey(name=ProviderKeyName("n"), owner=OwnerId("o"), value=b"sk-canary", by="x")
    assert "canary" not in repr(sent) + repr(stored)


def test_orders_are_one_line_and_come_back_as_they_were() -> None:
    worker = WorkerOrders(
        worker=WorkerNumber(2),
        workers=3,
        listening_fd=7,
        settings_path="/etc/a\nb.yaml",
        storage="/var/lib",
        overrides=(("gate.port", "1"),),
    )
    hub = HubOrders(workers=3, admin_fd=5, settings_path="", storage="x")
    assert orders_line(worker).count(b"\n") == 1
    assert read_orders(orders_line(worker), WorkerOrders) == worker
    assert read_orders(orders_line(hub), HubOrders) == hub


def test_orders_that_are_none_say_who_writes_them() -> None:
    with pytest.raises(WireError, match="chatelaine up"):
        read_orders(b'{"worker": "one"}\n', WorkerOrders)


def test_every_message_for_workers_is_a_table_message() -> None:
    assert {type(message) for message in TABLE} == set(get_args(TableMessage))
