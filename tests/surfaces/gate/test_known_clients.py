"""Clients that a key's habit knows, clients that it does not, and what each is told."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace as changed
from stage import Stage, one_reply, statuses, virtual_key

from chatelaine.core.context import context_id, mark, prefix_of
from chatelaine.model.detection import Dimension
from chatelaine.model.event import ExchangeOpened
from chatelaine.model.exchange import Client
from chatelaine.model.playbook import HabitTable, Lane, Restraint, UnknownClient
from chatelaine.model.words import ActionId, ContextId, Instant, KeyId

KEY = KeyId("000000001")
ACTION = ActionId("act_0123456789aB")


def opened(played: Stage) -> ExchangeOpened:
    return next(event for event in played.events if isinstance(event, ExchangeOpened))


def with_key(played: Stage, **fields: Any) -> None:
    key, _ = virtual_key()
    played.roster.replace_all([replace(key, **fields)])


def client_of(played: Stage) -> Client:
    """Return the client context of this stage's callers, as a request records it."""
    played.say(played.request())
    return opened(played).client


def habit_of(client: Client, **fields: Any) -> HabitTable:
    prefix = prefix_of(client.network.ip)
    context = context_id(prefix, client.greeting.ja4, client.header_hash)
    return HabitTable(KEY, (mark(Dimension.CONTEXT, context),), (mark(Dimension.PREFIX, prefix),), **fields)


@pytest.mark.parametrize(
    ("wanted", "alarmed", "told", "lane"),
    [
        (UnknownClient.OBSERVE, False, 200, None),
        (UnknownClient.OBSERVE, True, 200, Lane.QUARANTINE),
        (UnknownClient.QUARANTINE, False, 200, Lane.QUARANTINE),
        (UnknownClient.REFUSE, False, 401, Lane.REFUSE),
        (UnknownClient.REFUSE, True, 401, Lane.REFUSE),
    ],
)
def test_the_first_request_of_an_unknown_client_is_answered_as_its_key_says(
    wanted: UnknownClient, alarmed: bool, told: int, lane: Lane | None
) -> None:
    played = Stage(replies=one_reply)
    with_key(played, unknown_client=wanted)
    stranger = changed(client_of(Stage(replies=one_reply)), header_hash="000000000000")
    played.restraints.replace_habits([habit_of(stranger, alarmed=alarmed)])
    assert statuses(played.say(played.request()).out) == [told]
    assert played.events[0].lane is lane  # type: ignore[union-attr]  # an opening or a refusal has one


def test_a_known_client_is_served_whatever_is_done_with_unknown_ones() -> None:
    played = Stage(replies=one_reply)
    with_key(played, unknown_client=UnknownClient.REFUSE)
    played.restraints.replace_habits([habit_of(client_of(Stage(replies=one_reply)), alarmed=True)])
    assert statuses(played.say(played.request()).out) == [200]
    assert opened(played).lane is None


def test_a_key_without_a_habit_yet_is_served() -> None:
    played = Stage(replies=one_reply)
    with_key(played, unknown_client=UnknownClient.REFUSE)
    assert statuses(played.say(played.request()).out) == [200]


@pytest.mark.parametrize("known", [False, True])
def test_where_its_limits_stand_an_error_tells_a_known_client_alone(known: bool) -> None:
    tier = (
        b"x-ratelimit-limit-tokens: 30000\r\nanthropic-ratelimit-tokens-limit: 9\r\n"
        b"openai-organization: org-1\r\nx-ms-region: East\r\n"
    )
    played = Stage(
        replies=lambda _: b"HTTP/1.1 429 Slow\r\n%bretry-after: 7\r\ncontent-length: 0\r\n\r\n" % tier
    )
    here = client_of(Stage(replies=one_reply))
    if known:
        played.restraints.replace_habits([habit_of(here)])
    caller = played.say(played.request())
    assert (b"x-ratelimit-limit-tokens: 30000" in caller.out) is known
    assert (b"openai-organization" in caller.out) is known
    assert (b"x-ms-region" in caller.out) is known
    assert b"retry-after: 7" in caller.out


def test_a_restraint_names_a_context_as_the_record_shows_it() -> None:
    played = Stage(replies=one_reply)
    here = client_of(Stage(replies=one_reply))
    context = context_id(prefix_of(here.network.ip), here.greeting.ja4, here.header_hash)
    contexts = (context, ContextId("0" * 16))
    restraint = Restraint(ACTION, KEY, Lane.REFUSE, Instant(2**62), contexts)
    played.restraints.change([restraint], ())
    assert statuses(played.say(played.request()).out) == [401]


def test_a_restraint_that_is_over_holds_nobody_although_nobody_lifted_it() -> None:
    played = Stage(replies=one_reply)
    until = Instant(played.clock.now() + 10**9)
    played.restraints.change([Restraint(ACTION, KEY, Lane.REFUSE, until)], ())
    caller = played.say(played.request())
    played.clock.advance(timedelta(seconds=1))
    played.say(played.request(), caller=caller)
    assert statuses(caller.out) == [401, 200]
