"""The lanes: what is held back is answered in its lane, and everybody else as ever."""

import json
from dataclasses import replace
from typing import Any

import pytest
from stage import BODY, REPLY, REPLY_BODY, Stage, Wire, bodies_of, one_reply, statuses, virtual_key

from chatelaine.core.key.token import mint
from chatelaine.model.event import ExchangeOpened
from chatelaine.model.exchange import EndReason, RefusalReason
from chatelaine.model.key import Grant, KeyState
from chatelaine.model.playbook import Lane, Restraint
from chatelaine.model.policy import Disposition
from chatelaine.model.settings import ContainmentSettings, MappedModel, QuarantineSettings
from chatelaine.model.words import ActionId, Instant, KeyId

KEY = KeyId("000000001")
ACTION = ActionId("act_0123456789aB")
EVER = Instant(2**62)
HERE, ELSEWHERE = "203.0.113.0/24", "198.51.100.0/24"


def restrain(played: Stage, lane: Lane, **fields: Any) -> None:
    played.restraints.change([Restraint(ACTION, KEY, lane, EVER, **fields)], ())


def opened(played: Stage) -> ExchangeOpened:
    return next(event for event in played.events if isinstance(event, ExchangeOpened))


def body(**fields: Any) -> bytes:
    return json.dumps(
        {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}], **fields}
    ).encode()


def sent_bodies(played: Stage) -> tuple[bytes, ...]:
    return bodies_of(played.sent)


def without_id(wire: Wire, played: Stage) -> bytes:
    return bytes(wire.out).replace(played.events[-1].exchange.encode(), b"")  # type: ignore[union-attr]  # a refusal has one


# Refuse.


@pytest.mark.parametrize("large", [False, True])
def test_a_restrained_client_is_told_the_bytes_of_an_unknown_key(large: bool) -> None:
    asked = body(extra="x" * 100_000) if large else BODY
    told = []
    for restrained in (False, True):
        played = Stage(replies=one_reply)
        if restrained:
            restrain(played, Lane.REFUSE, prefixes=(HERE,))
        else:
            played.token = mint("test", KEY, b"\x11" * 32).encode()
        told.append(without_id(played.say(played.request(asked)), played))
        assert played.sent == b""
        assert played.refused[0].reason is (
            RefusalReason.RESTRAINED if restrained else RefusalReason.KEY_UNPROVEN
        )
    assert told[0] == told[1]
    assert told[0].startswith(b"HTTP/1.1 401 ")


def test_what_is_refused_is_recorded_with_its_lane_its_restraint_and_all_that_was_seen() -> None:
    played = Stage(replies=one_reply)
    restrain(played, Lane.REFUSE, prefixes=(HERE,))
    played.say(played.request())
    refused = played.refused[0]
    assert (refused.lane, refused.restraint, refused.disposition) == (
        Lane.REFUSE,
        ACTION,
        Disposition.BLOCKED,
    )
    assert refused.caller.owner == "acme"
    assert refused.asked.model == "gpt-4o-mini"


def test_a_restraint_on_another_client_leaves_this_one_alone() -> None:
    played = Stage(replies=one_reply)
    restrain(played, Lane.REFUSE, prefixes=(ELSEWHERE,))
    assert statuses(played.say(played.request()).out) == [200]
    assert (opened(played).lane, opened(played).disposition) == (None, Disposition.ALLOWED)


def test_a_new_restraint_cuts_what_its_client_has_open_and_nothing_else() -> None:
    played = Stage()
    begun, waiting = played.say(played.request()), played.say(played.request())
    played.upstream.wires[0].feed(REPLY[:-20])
    assert played.live.among([KeyId("another"), KEY]) == (KEY,)
    assert played.live.cut_held(KEY, lambda client: client.network.ip == "198.51.100.1") == 0
    assert played.live.cut_held(KEY, lambda client: client.network.ip == "203.0.113.9") == 2
    played.run(begun, waiting)
    assert begun.lost, "what had begun must not look whole"
    assert statuses(waiting.out) == [401]
    assert [event.reason for event in played.ended] == [EndReason.RESTRAINED] * 2
    assert all(wire.closing for wire in played.upstream.wires)


# Quarantine.


def quarantined(**fields: Any) -> Stage:
    settings = ContainmentSettings(quarantine=QuarantineSettings(**fields))
    played = Stage(replies=one_reply, containment=settings)
    restrain(played, Lane.QUARANTINE, prefixes=(HERE,))
    return played


def test_the_quarantine_lane_serves_text_with_a_lowered_cap_and_not_another_byte_changed() -> None:
    played = quarantined(output_tokens=8)
    caller = played.say(played.request(body(max_tokens=900)))
    assert statuses(caller.out) == [200]
    assert sent_bodies(played) == (body(max_tokens=8),)
    record = opened(played)
    assert (record.lane, record.restraint, record.disposition) == (
        Lane.QUARANTINE, ACTION, Disposition.QUARANTINED,
    )  # fmt: skip
    assert record.reserved.output_tokens == 8
    assert record.asked.output_cap == 900, "what was asked is recorded"
    assert record.asked.body_bytes == len(body(max_tokens=900))


def test_what_asks_for_less_goes_upstream_as_it_came() -> None:
    played = quarantined()
    played.say(played.request())
    assert sent_bodies(played) == (BODY,)


def test_a_model_is_mapped_and_a_preamble_stands_before_the_callers_words() -> None:
    played = quarantined(mapped=(MappedModel(asked="gpt-4*", served="small"),), preamble="Be short.")
    assert statuses(played.say(played.request()).out) == [200]
    told = json.loads(sent_bodies(played)[0])
    assert told["model"] == "small"
    assert told["messages"][0] == {"role": "system", "content": "Be short."}
    assert told["messages"][1:] == json.loads(BODY)["messages"]
    assert opened(played).asked.model == "gpt-4o-mini"


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (body(model="gpt-4o"), RefusalReason.MODEL_NOT_GRANTED),
        (body(tools=[{"type": "function", "function": {"name": "f"}}]), RefusalReason.TOOLS_NOT_GRANTED),
        (
            body(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
            RefusalReason.MODALITY_NOT_GRANTED,
        ),
        (body(web_search_options={"search_context_size": "low"}), RefusalReason.TOOLS_NOT_GRANTED),
    ],
)
def test_what_asks_for_more_is_refused_as_not_granted(asked: bytes, reason: RefusalReason) -> None:
    played = quarantined(models=("gpt-4o-mini",))
    caller = played.say(played.request(asked))
    assert statuses(caller.out) == [403]
    assert b'"code":"not_allowed"' in caller.out
    assert played.sent == b""
    assert (played.refused[0].reason, played.refused[0].lane) == (reason, Lane.QUARANTINE)


def test_a_body_that_says_something_twice_does_not_slip_through_the_lane() -> None:
    played = quarantined()
    twice = b'{"model":"m","max_completion_tokens":1,"messages":[],"max_completion_tokens":9999}'
    assert statuses(played.say(played.request(twice)).out) == [400]
    assert played.sent == b""
    assert played.refused[0].lane is Lane.QUARANTINE


def test_the_lane_has_a_low_rate_of_its_own() -> None:
    played = quarantined(requests_per_minute=2)
    told = [statuses(played.say(played.request()).out)[0] for _ in range(4)]
    assert told == [200, 200, 429, 429]
    assert {event.reason for event in played.refused} == {RefusalReason.REQUEST_RATE}
    assert b"retry-after: " in played.say(played.request()).out


def test_an_answer_that_outruns_the_cap_is_cut() -> None:
    settings = ContainmentSettings(quarantine=QuarantineSettings(output_tokens=2))
    played = Stage(containment=settings)
    restrain(played, Lane.QUARANTINE)
    caller = played.say(played.request(body(stream=True)))
    event = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % (b"word " * 40)
    played.upstream.wires[0].feed(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        + b"%x\r\n%b\r\n" % (len(event), event) * 2
    )
    played.run(caller)
    assert caller.lost
    assert [one.reason for one in played.ended] == [EndReason.BUDGET_CUT]


# Throttle.


def test_a_throttled_client_has_its_own_rate_and_the_owners_key_keeps_its_share() -> None:
    played = Stage(replies=one_reply, containment=ContainmentSettings(throttle_requests_per_minute=3))
    restrain(played, Lane.THROTTLE, prefixes=(HERE,))
    told = [statuses(played.say(played.request()).out)[0] for _ in range(5)]
    assert told == [200, 200, 200, 429, 429]
    played.restraints.change([Restraint(ACTION, KEY, Lane.THROTTLE, EVER, prefixes=(ELSEWHERE,))], ())
    assert statuses(played.say(played.request()).out) == [200]


def test_a_restraint_may_name_the_rate() -> None:
    played = Stage(replies=one_reply)
    restrain(played, Lane.THROTTLE, requests_per_minute=1)
    assert [statuses(played.say(played.request()).out)[0] for _ in range(2)] == [200, 429]


# Tarpit.


def tarpit(*, delay_ms: int = 5000, waiting: int = 64) -> Stage:
    played = Stage(replies=one_reply, containment=ContainmentSettings(tarpit_waiting=waiting))
    restrain(played, Lane.TARPIT, prefixes=(HERE,), delay_ms=delay_ms)
    return played


def test_the_tarpit_answers_late_and_as_ever() -> None:
    played = tarpit()
    caller = played.say(played.request())
    assert caller.out == b""
    assert caller.paused, "nothing more is read meanwhile"
    played.wait(4, caller)
    assert caller.out == b""
    played.wait(1, caller)
    assert bytes(caller.out).endswith(REPLY_BODY)
    assert not caller.paused
    assert (opened(played).lane, opened(played).disposition) == (Lane.TARPIT, Disposition.DELAYED)
    assert played.tarpit.waiting == 0


def test_a_body_that_comes_late_is_waited_for_after_the_delay() -> None:
    played = tarpit()
    asked = played.request()
    caller = played.say(asked[:-10])
    played.wait(6, caller)
    assert caller.out == b""
    assert not caller.paused
    played.say(asked[-10:], caller=caller)
    assert statuses(caller.out) == [200]


def test_the_tarpit_has_bounded_room_and_who_finds_none_is_told_as_an_unknown_key() -> None:
    played = tarpit(waiting=2)
    held = [played.say(played.request()) for _ in range(2)]
    assert statuses(played.say(played.request()).out) == [401]
    assert played.refused[0].reason is RefusalReason.RESTRAINED
    assert played.refused[0].detail == "the tarpit is full"
    played.wait(6, *held)
    assert [statuses(wire.out) for wire in held] == [[200], [200]]
    assert played.tarpit.waiting == 0


def test_who_leaves_the_tarpit_makes_room_and_is_recorded() -> None:
    played = tarpit(waiting=1)
    caller = played.say(played.request())
    caller.close()
    played.run(caller)
    assert played.tarpit.waiting == 0
    assert [event.reason for event in played.refused] == [RefusalReason.CALLER_LEFT]


def test_the_longest_delay_does_not_look_like_a_slow_body() -> None:
    played = tarpit(delay_ms=60_000)
    caller = played.say(played.request())
    for _ in range(59):
        played.wait(1, caller)
    assert caller.out == b""
    played.wait(2, caller)
    assert statuses(caller.out) == [200]


def test_a_refusal_is_late_too_and_other_clients_are_not() -> None:
    played = tarpit()
    late = played.say(played.request(b'{"model":'))
    assert late.out == b""
    played.wait(5, late)
    assert statuses(late.out) == [400]
    played.restraints.change([Restraint(ACTION, KEY, Lane.TARPIT, EVER, prefixes=(ELSEWHERE,))], ())
    assert statuses(played.say(played.request()).out) == [200]


# Decoy and canary.


@pytest.mark.parametrize("stream", [False, True])
def test_the_decoy_answers_in_the_dialect_and_nothing_goes_upstream(stream: bool) -> None:
    played = Stage(replies=one_reply, containment=ContainmentSettings(decoy_text="Nothing to see."))
    restrain(played, Lane.DECOY, prefixes=(HERE,))
    caller = played.say(played.request(body(stream=stream)))
    assert statuses(caller.out) == [200]
    assert b"Nothing to see." in caller.out
    assert caller.out.endswith(b"data: [DONE]\n\n") is stream
    assert played.sent == b""
    refused = played.refused[0]
    assert (refused.reason, refused.status) == (RefusalReason.DECOY, 200)
    assert (refused.lane, refused.disposition) == (Lane.DECOY, Disposition.ISOLATED)
    assert played.meter.row(1).requests == 0


def test_what_has_no_decoy_is_told_as_an_unknown_key() -> None:
    played = Stage(replies=one_reply)
    restrain(played, Lane.DECOY)
    asked = played.request(b'{"model":"m","input":"x"}').replace(b"/v1/chat/completions", b"/v1/embeddings")
    assert statuses(played.say(asked).out) == [401]
    assert played.refused[0].reason is RefusalReason.RESTRAINED
    assert played.sent == b""


def with_key(played: Stage, **fields: Any) -> None:
    key, _ = virtual_key()
    played.roster.replace_all([replace(key, **fields)])


def test_a_canary_is_always_answered_by_the_decoy_whatever_its_grant_says() -> None:
    played = Stage(replies=one_reply)
    with_key(played, canary=True, grant=Grant(networks=("10.0.0.0/8",), models=("none",)))
    restrain(played, Lane.REFUSE)
    caller = played.say(played.request())
    assert statuses(caller.out) == [200]
    assert b"I can't help with that." in caller.out
    assert played.sent == b""
    assert (played.refused[0].reason, played.refused[0].caller.key) == (RefusalReason.DECOY, KEY)


def test_a_canary_that_is_revoked_is_told_as_an_unknown_key() -> None:
    played = Stage(replies=one_reply)
    with_key(played, canary=True, state=KeyState.REVOKED)
    assert statuses(played.say(played.request()).out) == [401]
