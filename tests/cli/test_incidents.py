"""Incidents from the command line, on a storage directory where nothing runs."""

import asyncio
import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatelaine.adapters.clock import SystemClock
from chatelaine.adapters.sqlite import open_incident_store
from chatelaine.app.main import COMMANDS
from chatelaine.app.wire import Places
from chatelaine.core.detection.combine import Combiner, Rules
from chatelaine.model.detection import Family, Finding, Said, Severity
from chatelaine.model.incident import Batch, Incident
from chatelaine.model.playbook import Action, ActionKind, ActionState, Rehearsal, Wanted
from chatelaine.model.words import (
    SECOND,
    ActionId,
    AlertId,
    ContextId,
    DetectionId,
    ExchangeId,
    FindingId,
    Instant,
    KeyId,
    OwnerId,
    PlaybookId,
)
from chatelaine.services.incident import IncidentKeeper
from chatelaine.surfaces.cli.main import run

DAY = 86_400 * SECOND
CONTEXT = ContextId("c0ffee00c0ffee00")
NOW = Instant(1_900_000_000 * SECOND)


class Shell:
    """Runs commands in this process and reads what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def do(self, *arguments: str, status: int = 0) -> str:
        self._capsys.readouterr()
        try:
            found = run(COMMANDS, arguments, version="0")
        except SystemExit as left:
            found = int(left.code or 0)
        printed = self._capsys.readouterr()
        assert found == status, printed.err
        return printed.err if status >= 2 else printed.out

    def read(self, *arguments: str, status: int = 0) -> Any:
        return json.loads(self.do(*arguments, "--json", status=status))


def finding(name: str, *, family: Family = Family.NETWORK, **fields: object) -> Finding:
    one = Finding(
        id=FindingId(name),
        detection=DetectionId(f"key_{family.value}"),
        version=1,
        at=NOW,
        exchange=ExchangeId(f"x{name}"),
        key=KeyId("k1"),
        owner=OwnerId("acme"),
        context=ContextId("thief"),
        prefix="203.0.113.0/24",
        family=family,
        severity=Severity.HIGH,
        certain=False,
        said=Said(f"seen {name}", f"usual {name}", f"against {name}"),
    )
    return msgspec.structs.replace(one, **fields)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("CHATELAINE"):
            monkeypatch.delenv(name)
    return Shell(capsys)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Return a storage directory made ready."""
    found = Places(tmp_path / "chatelaine-data")
    found.prepare()
    return found


@pytest.fixture
def incident(places: Places) -> Incident:
    """Return an incident that two families agreed on."""
    found = Combiner(Rules()).gather([finding("f1"), finding("f2", family=Family.CLIENT)])

    async def fill() -> Incident:
        with closing(open_incident_store(places.incidents)) as store:
            keeper = IncidentKeeper(
                store=store,
                clock=SystemClock(),
                record=lambda _: None,
                notify=lambda _, __: None,
                day_left=lambda _: None,
                past=lambda _, __: (),
                alarm=lambda _: None,
            )
            await keeper.take(found)
            (one,) = await keeper.live()
            return one

    return asyncio.run(fill())


def act(places: Places, incident: Incident, kind: ActionKind, state: ActionState, key: str = "k1") -> str:
    """Store an action of an incident and return its id."""
    action = Action(
        id=ActionId(f"act_{kind.value:0<12}"),
        incident=incident.id,
        alert=AlertId(incident.alerts[0]),
        playbook=PlaybookId("contain_client"),
        owner=OwnerId("acme"),
        wanted=Wanted(kind=kind, key=KeyId(key), contexts=(CONTEXT,), overlap_minutes=5, text="why"),
        state=state,
        planned_at=NOW,
        changed_at=NOW,
        until=Instant(NOW + DAY),
        rehearsal=Rehearsal(30, 720, 0, 0, 40, 40, 0),
    )

    async def fill() -> None:
        with closing(open_incident_store(places.incidents)) as store:
            await store.commit(Batch(actions=((None, action),)))

    asyncio.run(fill())
    return action.id


def test_where_nothing_was_found_nothing_is_listed(shell: Shell) -> None:
    assert shell.do("incidents", "list") == "nothing open; --all shows what is over\n"
    assert shell.read("incidents", "list") == {"incidents": []}


def test_open_incidents_are_listed_and_closed_ones_only_where_asked_for(
    shell: Shell, incident: Incident
) -> None:
    (line,) = shell.read("incidents", "list")["incidents"]
    assert (line["id"], line["state"], line["severity"], line["keys"]) == (
        incident.id,
        "open",
        "high",
        ["k1"],
    )
    assert incident.id in shell.do("incidents", "list")
    shell.do("incidents", "close", incident.id, "--verdict", "false_positive", "--reason", "ours")
    assert shell.read("incidents", "list") == {"incidents": []}
    (over,) = shell.read("incidents", "list", "--all")["incidents"]
    assert (over["state"], over["verdict"]) == ("closed", "false_positive")
    assert shell.read("incidents", "list", "--state", "closed")["incidents"] == [over]


def test_a_list_says_by_its_status_whether_something_severe_is_open(shell: Shell, incident: Incident) -> None:
    del incident
    shell.do("incidents", "list", "--fail-on", "high", status=1)
    shell.do("incidents", "list", "--fail-on", "critical", status=0)
    shell.do("incidents", "list", "--fail-on", "dire", status=2)


def test_an_incident_is_shown_with_its_reasons_and_the_strongest_against(
    shell: Shell, incident: Incident
) -> None:
    text = shell.do("incidents", "show", incident.id)
    assert text.startswith("Key k1 is being used by somebody else from 203.0.113.0/24\n")
    for part in ("seen f1; usual: usual f1", "against\n  against f1", "spent 0.00 USD", "story", "xf1"):
        assert part in text
    told = shell.read("incidents", "show", incident.id)
    assert [one["exchange"] for one in told["findings"]] == ["xf1", "xf2"]
    assert [one["kind"] for one in told["timeline"]] == ["finding", "finding", "alert"]
    assert told["money"] == {"spent_usd": 0.0, "at_risk_usd": 0.0, "avoided_usd": 0.0}


def test_people_work_on_an_incident_and_the_journal_has_every_step(shell: Shell, incident: Incident) -> None:
    shell.do("incidents", "assign", incident.id, "--to", "bo", "--by", "ana")
    shell.do("incidents", "note", incident.id, "asked the owner", "--by", "bo")
    told = shell.read("incidents", "verdict", incident.id, "true_positive", "--reason", "not theirs")
    assert told["verdicts"][0]["reason"] == "not theirs"
    assert told["notes"][0]["by"] == "bo"
    assert shell.read("incidents", "close", incident.id, "--reason", "rotated")["state"] == "closed"
    assert shell.read("incidents", "reopen", incident.id, "--reason", "again")["state"] == "reopened"
    events = [json.loads(line) for line in shell.do("events", "show", "--json").splitlines()]
    assert [one["given"] for one in events if one["kind"] == "incident.changed"] == [
        "assign", "note", "verdict", "close", "reopen",
    ]  # fmt: skip


def test_an_incident_is_not_closed_without_a_verdict(shell: Shell, incident: Incident) -> None:
    said = shell.do("incidents", "close", incident.id, "--reason", "done", status=2)
    assert "no verdict yet" in said
    assert "--verdict" in said


def test_an_action_is_approved_and_the_key_is_stopped(
    shell: Shell, places: Places, incident: Incident
) -> None:
    key = shell.read("keys", "issue", "--owner", "acme", "--app", "bot", "--contact", "c")["id"]
    name = act(places, incident, ActionKind.REVOKE, ActionState.AWAITING_APPROVAL, key)
    (told,) = shell.read("incidents", "approve", name, "--by", "ana", "--reason", "stolen")["actions"]
    assert (told["state"], told["outcome"]["well"]) == ("done", True)
    assert shell.read("keys", "show", key)["keys"][0]["state"] == "revoked"
    assert shell.read("incidents", "show", incident.id)["state"] == "contained"
    kinds = [json.loads(line)["kind"] for line in shell.do("events", "show", "--json").splitlines()]
    assert {"action.taken", "key.changed", "incident.changed"} <= set(kinds)


def test_a_rotation_tells_the_token_once_and_stores_it_nowhere(
    shell: Shell, places: Places, incident: Incident
) -> None:
    key = shell.read("keys", "issue", "--owner", "acme", "--app", "bot", "--contact", "c")["id"]
    name = act(places, incident, ActionKind.ROTATE, ActionState.AWAITING_APPROVAL, key)
    text = shell.do("incidents", "approve", name)
    token = text.rpartition("token (shown this once): ")[2].strip()
    assert token.count("_") >= 3
    secret = token.split("_")[3].encode()
    files = [path for path in places.root.rglob("*") if path.is_file()]
    assert not [path for path in files if secret in path.read_bytes()]
    assert token not in shell.do("incidents", "show", incident.id)


def test_what_the_gates_hold_is_taken_back_and_they_hear_of_it_when_they_start(
    shell: Shell, places: Places, incident: Incident
) -> None:
    name = act(places, incident, ActionKind.RESTRAIN, ActionState.RUNNING)
    text = shell.do("incidents", "undo", name, "--reason", "it was us")
    assert "undone" in text
    assert "it would have stopped 0 of 720 of the owner's own exchanges, and 40 of 40 others" in text
    said = shell.do("incidents", "undo", name, status=3)
    assert "undone already" in said


def test_what_was_harmless_is_released_when_it_is_closed(
    shell: Shell, places: Places, incident: Incident
) -> None:
    act(places, incident, ActionKind.RESTRAIN, ActionState.RUNNING)
    act(places, incident, ActionKind.REVOKE, ActionState.AWAITING_APPROVAL)
    told = shell.read(
        "incidents", "close", incident.id, "--verdict", "benign_true_positive", "--reason", "a move"
    )
    assert {one["id"]: one["state"] for one in told["actions"]} == {
        "act_restrain0000": "undone",
        "act_revoke000000": "expired",
    }


def test_what_was_a_theft_stays_contained_when_it_is_closed(
    shell: Shell, places: Places, incident: Incident
) -> None:
    act(places, incident, ActionKind.RESTRAIN, ActionState.RUNNING)
    told = shell.read("incidents", "close", incident.id, "--verdict", "true_positive", "--reason", "r")
    assert told["actions"][0]["state"] == "running"


def test_a_veto_stops_what_waits(shell: Shell, places: Places, incident: Incident) -> None:
    name = act(places, incident, ActionKind.REVOKE, ActionState.AWAITING_APPROVAL)
    assert shell.read("incidents", "veto", name, "--reason", "no")["actions"][0]["state"] == "vetoed"


def test_people_cannot_be_told_while_the_hub_is_down(
    shell: Shell, places: Places, incident: Incident
) -> None:
    name = act(places, incident, ActionKind.NOTIFY, ActionState.AWAITING_APPROVAL)
    (told,) = shell.read("incidents", "approve", name)["actions"]
    assert told["state"] == "failed"
    assert "while the hub is down" in told["outcome"]["text"]


def test_nothing_is_rehearsed_while_the_hub_is_down(shell: Shell, incident: Incident) -> None:
    said = shell.do("incidents", "propose", incident.id, "contain_client", status=3)
    assert "cannot be rehearsed while the hub is down" in said
    assert "chatelaine up" in said


def test_a_playbook_that_is_not_there_is_named_with_those_that_are(shell: Shell, incident: Incident) -> None:
    said = shell.do("incidents", "propose", incident.id, "shout", status=2)
    assert "contain_client" in said


HOSTILE = [
    "inc_x",
    "",
    "../../etc",
    "x" * 5_000,
    "'; DROP TABLE incident; --",
    "\x1b[2J",
    "\u202einc",
    "\udcff",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_ids_that_are_none_are_refused_and_steer_no_terminal(
    shell: Shell, incident: Incident, name: str
) -> None:
    del incident
    for arguments in (
        ("incidents", "show", name),
        ("incidents", "note", name, "text"),
        ("incidents", "close", name, "--verdict", "false_positive", "--reason", "r"),
        ("incidents", "approve", name),
        ("incidents", "undo", name),
    ):
        said = shell.do(*arguments, status=3)
        assert "\x1b" not in said
        assert "has the id" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("note", "INC", ""), "text is missing"),
        (("note", "INC", "\udcff"), "text is not text"),
        (("note", "INC", "x" * 2_001), "1 to 2000"),
        (("assign", "INC", "--to", " "), "to is missing"),
        (("verdict", "INC", "true_positive", "--reason", " "), "reason is missing"),
        (("verdict", "INC", "true_positive", "--reason", "r", "--by", "\udcff"), "by is not text"),
        (("verdict", "INC", "maybe", "--reason", "r"), "invalid"),
        (("close", "INC"), "--reason"),
        (("list", "--limit", "0"), "--limit"),
        (("list", "--limit", "-1"), "--limit"),
        (("list", "--state", "lost"), "--state"),
        (("explode",), "VERB"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_with_what_does(
    shell: Shell, incident: Incident, arguments: tuple[str, ...], said: str
) -> None:
    given = [incident.id if word == "INC" else word for word in arguments]
    assert said in shell.do("incidents", *given, status=2)
    assert shell.read("incidents", "show", incident.id)["notes"] == []


def test_texts_that_would_steer_a_terminal_are_shown_harmless(shell: Shell, incident: Incident) -> None:
    text = shell.do("incidents", "note", incident.id, "\x1b[2Jgone\rback \u202e")
    assert "\x1b" not in text
    assert "\r" not in text
    assert "\u202e" not in text
    assert shell.read("incidents", "show", incident.id)["notes"][0]["text"] == "\x1b[2Jgone\rback \u202e"


def test_a_damaged_store_is_named_with_what_mends_it(
    shell: Shell, places: Places, incident: Incident
) -> None:
    del incident
    places.incidents.write_bytes(b"no database" * 1_000)
    said = shell.do("incidents", "list", status=3)
    assert "store of incidents" in said
    assert "restore the last copy" in said


def test_a_restraint_that_is_undone_without_a_hub_stands_no_more(
    shell: Shell, places: Places, incident: Incident
) -> None:
    key = shell.read("keys", "issue", "--owner", "acme", "--app", "bot", "--contact", "c")["id"]
    held = act(places, incident, ActionKind.RESTRAIN, ActionState.AWAITING_APPROVAL, key)
    shell.do("incidents", "approve", held)
    assert held in shell.do("keys", "restraints")
    shell.do("incidents", "undo", held)
    assert held not in shell.do("keys", "restraints")
