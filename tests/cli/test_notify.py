"""``chatelaine notify`` on a storage directory where nothing runs."""

import asyncio
import json
import os
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "wire"))

from http_receiver import http_receiver

from chatelaine.adapters.sqlite import SqliteOutbox, open_outbox
from chatelaine.app.main import COMMANDS
from chatelaine.app.wire import Places, read_settings
from chatelaine.app.work.looks_inside import look_at_notices
from chatelaine.core.notice.delivery import received
from chatelaine.model.detection import Severity
from chatelaine.model.error import SecretUnreadable
from chatelaine.model.notice import DeliveryState, Notice, NoticeKind, Refused
from chatelaine.model.settings import Settings
from chatelaine.model.words import Instant, NoticeId, ReceiverName
from chatelaine.surfaces.cli.doctor import Level
from chatelaine.surfaces.cli.main import run

SETTINGS = """
notify:
  - {{name: chat, kind: slack, secret: "env:SLACK", min_severity: high, owners: [acme]}}
  - {{name: splunk, kind: splunk, url: "http://127.0.0.1:{port}/secret/path", secret: "env:GONE"}}
"""


@dataclass
class Place:
    """A folder with settings, and a shell in it."""

    root: Path
    capsys: pytest.CaptureFixture[str]

    def do(self, *arguments: str, status: int = 0) -> str:
        self.capsys.readouterr()
        found = run(COMMANDS, arguments, version="0")
        printed = self.capsys.readouterr()
        assert found == status, printed.err
        return printed.err if status >= 2 else printed.out

    def read(self, *arguments: str) -> Any:
        return json.loads(self.do(*arguments, "--json"))

    def acts(self) -> list[tuple[str, str, str, str]]:
        lines = map(json.loads, self.do("events", "show", "--json").splitlines())
        return [
            (one["action"], one["by"], one["outcome"], one["detail"])
            for one in lines
            if one["kind"] == "admin.acted"
        ]

    def give_up(self, *names: str) -> None:
        """Leave notices in the outbox that were given up."""

        async def fill(outbox: SqliteOutbox) -> None:
            told = [(notice(name), [ReceiverName("chat"), ReceiverName("splunk")]) for name in names]
            await outbox.add(told, Instant(1))
            for one in await outbox.due(Instant(1), each=9):
                if one.delivery.receiver == "chat":
                    after = received(one.delivery, Refused("answered 404: no_service"), at=Instant(10**18))
                    await outbox.mark(one.delivery, after)

        places = Places(self.root / "chatelaine-data")
        places.prepare()
        with closing(open_outbox(places.notices)) as outbox:
            asyncio.run(fill(outbox))

    def dead(self) -> list[str]:
        async def read(outbox: SqliteOutbox) -> list[str]:
            return [one.notice.id for one in await outbox.held(DeliveryState.DEAD, most=9)]

        with closing(open_outbox(Places(self.root / "chatelaine-data").notices)) as outbox:
            return asyncio.run(read(outbox))


def notice(name: str) -> Notice:
    return Notice(
        id=NoticeId(name),
        at=Instant(1_720_000_000_000_000_000),
        kind=NoticeKind.INCIDENT_OPENED,
        severity=Severity.HIGH,
        title="t\x1b[2J",
        summary="s",
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Place:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("CHATELAINE"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("GONE", raising=False)
    (tmp_path / "chatelaine.yaml").write_text(SETTINGS.format(port=1))
    return Place(tmp_path, capsys)


def test_receivers_are_listed_with_their_host_alone_and_what_waits(place: Place) -> None:
    assert place.read("notify", "list")["receivers"][0] == {
        "name": "chat", "kind": "slack", "where": "", "min_severity": "high", "owners": ["acme"],
        "waiting": 0, "sent": 0, "dead": 0,
    }  # fmt: skip
    assert not (place.root / "chatelaine-data").exists(), "a look makes nothing"
    place.give_up("msg_1", "msg_2")
    chat, splunk = place.read("notify", "list")["receivers"]
    assert (chat["dead"], chat["waiting"]) == (2, 0)
    assert (splunk["waiting"], splunk["where"]) == (2, "127.0.0.1")
    shown = place.do("notify", "list")
    assert "secret/path" not in shown
    assert "chat" in shown


def test_nothing_configured_and_nothing_given_up_are_said(place: Place) -> None:
    (place.root / "chatelaine.yaml").write_text("")
    assert "no receivers" in place.do("notify", "list")
    assert place.do("notify", "dead") == "nothing was given up\n"
    assert place.read("notify", "dead") == {"dead": []}


def test_the_dead_are_listed_with_why_and_can_be_tried_again(place: Place) -> None:
    place.give_up("msg_1", "msg_2", "msg_3")
    found = place.read("notify", "dead")["dead"]
    assert [one["id"] for one in found] == ["msg_3", "msg_2", "msg_1"]
    assert (found[0]["fault"], found[0]["attempts"]) == ("answered 404: no_service", 1)
    assert found[0]["given_up_at"] == "2001-09-09T01:46:40.000Z"
    assert "no_service" in place.do("notify", "dead")
    assert "\x1b" not in place.do("notify", "dead", "--json")
    told = place.read("notify", "retry", "msg_2", "--by", "eve")
    assert told == {"retried": [{"id": "msg_2", "receiver": "chat"}]}
    assert place.dead() == ["msg_3", "msg_1"]
    assert "2 to be tried again" in place.do("notify", "retry", "--all", "--receiver", "chat", "--by", "eve")
    assert place.dead() == []
    assert place.acts() == [
        ("notify.retry", "eve", "done", "notice msg_2, receiver any: 1 deliveries"),
        ("notify.retry", "eve", "done", "notice any, receiver chat: 2 deliveries"),
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("retry",), 2, "which notice?"),
        (("retry", "msg_1", "--all"), 2, "which notice?"),
        (("retry", "msg_9"), 3, "no such notice was given up"),
        (("retry", "--all", "--receiver", "splunk"), 3, "notify dead lists"),
        (("test", "nobody"), 3, "no receiver is named 'nobody'"),
        (("test", "splunk"), 3, "GONE"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_fix(
    place: Place, arguments: tuple[str, ...], status: int, said: str
) -> None:
    place.give_up("msg_1")
    assert said in place.do("notify", *arguments, status=status)
    assert place.dead() == ["msg_1"]
    assert not place.acts()


def test_the_doctor_tells_of_what_was_given_up_and_of_secrets_that_are_gone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK", "https://hooks.example/x")

    def said() -> list[tuple[str, str]]:
        found = list(look_at_notices(settings, Places(place.root / "chatelaine-data")))
        return [(one.level, one.message) for one in found]

    settings = replace(Settings(), notify=read_settings(str(place.root / "chatelaine.yaml")).notify[:1])
    assert said() == [(Level.OK, "1 receivers, and nothing was sent yet")]
    place.give_up("msg_1", "msg_2")
    assert said() == [(Level.WARN, "2 notices to chat were given up")]
    monkeypatch.delenv("SLACK")
    with pytest.raises(SecretUnreadable, match="SLACK"):
        said()


@pytest.mark.wire
def test_a_test_arrives_or_says_why_not_and_is_recorded(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_receiver() as server:
        monkeypatch.setenv("SLACK", server.url("/services/x"))
        server.answers = [(200, {}, b"ok"), (200, {}, b"ok"), (404, {}, b"no_service"), (410, {}, b"gone")]
        assert place.do("notify", "test", "chat", "--by", "eve") == "chat has taken the test\n"
        assert place.read("notify", "test", "chat") == {"receiver": "chat", "result": "taken", "fault": None}
        said = place.do("notify", "test", "chat", "--by", "eve", status=3)
        assert "answered 404: no_service" in said
        assert "would be tried again" in said
        assert "would be given up" in place.do("notify", "test", "chat", status=3)
    assert "A test of Chatelaine" in server.seen[0].body.decode()
    assert place.acts()[0] == ("notify.test", "eve", "done", "receiver chat")
    assert place.acts()[2][2:] == ("failed", "receiver chat: answered 404: no_service")
    assert not place.read("notify", "list")["receivers"][0]["sent"]
