"""Whom a provider is told of where the caller tells it nobody."""

import json
from typing import Any

import pytest
from stage import BODY, Stage, bodies_of, one_reply

from chatelaine.model.event import ExchangeOpened
from chatelaine.model.settings import SafetyIdentifier

MESSAGES = b'{"model":"claude-haiku-4-5","max_tokens":20,"messages":[{"role":"user","content":"Hi"}]}'


def sent(
    identifies: SafetyIdentifier,
    asked: bytes = BODY,
    *,
    path: bytes = b"/v1/chat/completions",
    more: bytes = b"",
) -> bytes:
    played = Stage(replies=one_reply, identifies=identifies)
    played.say(played.request(asked, headers=more).replace(b"/v1/chat/completions", path))
    (told,) = bodies_of(played.sent)
    return told


def test_nobody_is_told_of_unless_the_settings_say_so() -> None:
    assert sent(SafetyIdentifier.OFF) == BODY


@pytest.mark.parametrize("identifies", [SafetyIdentifier.CLIENT, SafetyIdentifier.KEY])
def test_openai_is_told_a_hash_and_every_other_byte_is_the_callers(identifies: SafetyIdentifier) -> None:
    told = sent(identifies)
    identifier = json.loads(told)["safety_identifier"]
    assert len(identifier) == 32
    assert told == b'{"safety_identifier":"%b",' % identifier.encode() + BODY[1:]


def test_the_key_is_told_by_one_hash_and_each_of_its_clients_by_another() -> None:
    def identifier(identifies: SafetyIdentifier, more: bytes = b"") -> Any:
        return json.loads(sent(identifies, more=more))["safety_identifier"]

    other = b"x-other: 1\r\n"
    assert identifier(SafetyIdentifier.KEY) == identifier(SafetyIdentifier.KEY, other)
    assert identifier(SafetyIdentifier.CLIENT) == identifier(SafetyIdentifier.CLIENT)
    assert identifier(SafetyIdentifier.CLIENT) != identifier(SafetyIdentifier.CLIENT, other)


@pytest.mark.parametrize("named", [b'"safety_identifier":"u1"', b'"user":"u1"'])
def test_what_the_caller_tells_goes_on_as_it_is(named: bytes) -> None:
    asked = b"{%b,%b" % (named, BODY[1:])
    assert sent(SafetyIdentifier.KEY, asked) == asked


def test_azure_and_anthropic_are_told_where_they_have_it() -> None:
    azure = sent(SafetyIdentifier.KEY, path=b"/openai/deployments/d/chat/completions?api-version=2024-10-21")
    assert azure.endswith(BODY[1:])
    assert len(json.loads(azure)["user"]) == 32
    messages = sent(
        SafetyIdentifier.KEY, MESSAGES, path=b"/v1/messages", more=b"anthropic-version: 2023-06-01\r\n"
    )
    assert messages.endswith(MESSAGES[1:])
    assert len(json.loads(messages)["metadata"]["user_id"]) == 32


def test_a_dialect_that_has_no_such_field_gets_the_callers_bytes() -> None:
    asked = b'{"model":"text-embedding-3-small","input":"x"}'
    assert sent(SafetyIdentifier.KEY, asked, path=b"/v1/embeddings") == asked


def test_what_is_recorded_is_what_the_caller_sent() -> None:
    plain, told = Stage(replies=one_reply), Stage(replies=one_reply, identifies=SafetyIdentifier.KEY)
    records = []
    for played in (plain, told):
        played.say(played.request())
        records.append(next(event for event in played.events if isinstance(event, ExchangeOpened)))
    assert records[0].asked == records[1].asked
    assert records[1].asked.end_user is None
