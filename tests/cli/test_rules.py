"""Detections from the command line: their records, their vectors, the recorded past, and their thresholds."""

import asyncio
import json
import os
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chatelaine.adapters.clock import SystemClock
from chatelaine.adapters.journal import SegmentJournal
from chatelaine.adapters.sqlite import open_incident_store
from chatelaine.app.main import COMMANDS
from chatelaine.app.recovery import durable
from chatelaine.app.wire import Places
from chatelaine.app.work.rules import Shelf
from chatelaine.catalog.detection import read_detection
from chatelaine.core.codec import decode
from chatelaine.core.detection.run import Detection
from chatelaine.model.detection import Family, Finding, Said, Severity
from chatelaine.model.event import ExchangeRefused
from chatelaine.model.exchange import Operation
from chatelaine.model.incident import Batch, Incident, IncidentState, Verdict, VerdictKind
from chatelaine.model.settings import Durability, JournalSettings
from chatelaine.model.words import (
    SECOND,
    ContextId,
    ExchangeId,
    FindingId,
    IncidentId,
    Instant,
    KeyId,
    OwnerId,
    WorkerNumber,
)
from chatelaine.surfaces.cli import rules
from chatelaine.surfaces.cli.main import command_parser, run

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "events"
BEGUN = 1_790_000_000
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def lister() -> Detection:
    """Return the template detection: three different lists in ten minutes."""
    found = read_detection(files("chatelaine").joinpath("detections/_template"), [])
    assert found is not None
    return found


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("CHATELAINE"):
            monkeypatch.delenv(name)
    found = Places(tmp_path / "chatelaine-data")
    found.prepare()
    return found


class Shell:
    """Runs the command on a shelf of its own and reads what it prints."""

    def __init__(self, shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
        self._shelf, self._capsys = shelf, capsys

    def do(self, *arguments: str, status: int = 0) -> str:
        self._capsys.readouterr()
        asked = command_parser("rules", COMMANDS["rules"], rules).parse_args(arguments)
        assert rules.run(asked, self._shelf) == status
        return self._capsys.readouterr().out

    def read(self, *arguments: str, status: int = 0) -> Any:
        return json.loads(self.do(*arguments, "--json", status=status))


@pytest.fixture
def shell(places: Places, lister: Detection, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(Shelf(places, (lister,)), capsys)


def listed(second: int, number: int) -> ExchangeRefused:
    """Return a refused list of something, which its number tells."""
    event = decode((GOLDEN / "exchange.refused.v1.json").read_bytes().strip())
    assert isinstance(event, ExchangeRefused)
    asked = msgspec.structs.replace(event.asked, operation=Operation.LIST, route=f"/v1/list/{number}")
    at, name = Instant((BEGUN + second) * SECOND), ExchangeId(f"{second:024x}")
    return msgspec.structs.replace(event, at=at, exchange=name, asked=asked)


def record(places: Places, *events: ExchangeRefused) -> None:
    async def write() -> None:
        settings = JournalSettings(durability=Durability.FSYNC)
        journal = SegmentJournal(places.journal, WorkerNumber(1), settings, CLOCK)
        for event in events:
            journal.append(event)
        await durable(journal)
        journal.close()

    asyncio.run(write())


def judge(places: Places, *told: tuple[VerdictKind, float]) -> None:
    """Store an incident with one finding for each verdict."""

    def finding(number: int, value: float) -> Finding:
        return Finding(
            id=FindingId(f"f{number}"),
            detection=rules_id(),
            version=1,
            at=Instant(number),
            exchange=ExchangeId("x"),
            key=KeyId("k1"),
            owner=OwnerId("acme"),
            context=ContextId("c"),
            prefix="",
            family=Family.BEHAVIOUR,
            severity=Severity.MEDIUM,
            certain=False,
            said=Said("s", "u", "a", facts=(("times", str(value)),)),
        )

    def incident(number: int, kind: VerdictKind) -> Incident:
        return Incident(
            id=IncidentId(f"inc_{number}"),
            state=IncidentState.CLOSED,
            severity=Severity.HIGH,
            title="t",
            opened_at=Instant(1),
            updated_at=Instant(1),
            first_at=Instant(1),
            detections=(rules_id(),),
            findings=(FindingId(f"f{number}"),),
            verdicts=(Verdict(kind, "r", "ana", Instant(2)),),
        )

    batch = Batch(
        findings=tuple(finding(n, value) for n, (_, value) in enumerate(told)),
        incidents=tuple((None, incident(n, kind)) for n, (kind, _) in enumerate(told)),
    )
    with closing(open_incident_store(places.incidents)) as store:
        asyncio.run(store.commit(batch))


def rules_id() -> Any:
    return "template"


def test_every_detection_is_listed_with_what_people_said_of_it(shell: Shell, places: Places) -> None:
    (fresh,) = shell.read("list")["rules"]
    assert (fresh["id"], fresh["precision"], fresh["thresholds"]) == (
        "template",
        None,
        {"times": 3.0, "seconds": 600.0},
    )
    judge(
        places,
        (VerdictKind.TRUE_POSITIVE, 9),
        (VerdictKind.FALSE_POSITIVE, 4),
        (VerdictKind.BENIGN_TRUE_POSITIVE, 5),
    )
    (judged,) = shell.read("list")["rules"]
    assert (judged["precision"], judged["true_positives"], judged["false_positives"], judged["benign"]) == (
        0.5,
        1,
        1,
        1,
    )
    assert "50%" in shell.do("list")


def test_a_detection_is_run_over_what_was_recorded(shell: Shell, places: Places) -> None:
    record(places, *(listed(second, second) for second in range(5)))
    told = shell.read("backtest", "template", "--since", "2026-09-01T00:00Z", status=1)
    assert (told["findings"], told["events"], told["events_since"]) == (1, 5, 5)
    assert told["keys"][0]["findings"] == 1
    assert told["examples"][0]["exchange"] == f"{2:024x}"
    assert told["examples"][0]["seen"] == "3 different lists were asked for in 600 s"
    assert "1 findings on 1 keys in 5 events" in shell.do(
        "backtest", "template", "--since", "2026-09-01T00:00Z", status=1
    )


def test_another_threshold_is_tried_without_changing_the_card(shell: Shell, places: Places) -> None:
    record(places, *(listed(second, second) for second in range(5)))
    since = ("--since", "2026-09-01T00:00Z")
    told = shell.read("backtest", "template", *since, "--threshold", "times=6")
    assert told["findings"] == 0
    assert told["thresholds"] == {"times": 6.0, "seconds": 600.0}
    assert shell.read("backtest", "template", *since, status=1)["findings"] == 1


def test_what_lies_before_the_span_teaches_and_is_not_told(shell: Shell, places: Places) -> None:
    record(places, *(listed(second, second) for second in range(5)))
    told = shell.read("backtest", "template", "--since", "2027-01-01T00:00Z")
    assert (told["findings"], told["events"], told["events_since"]) == (0, 5, 0)


def test_without_a_journal_nothing_is_found(shell: Shell) -> None:
    assert shell.read("backtest", "template")["events"] == 0


def test_damage_in_a_journal_is_told_with_what_could_be_read(shell: Shell, places: Places) -> None:
    record(places, *(listed(second, second) for second in range(5)))
    (segment,) = places.journal.glob("*.seg")
    data = bytearray(segment.read_bytes())
    place = data.rfind(b"/v1/list/1")
    data[place] ^= 0xFF
    segment.write_bytes(data)
    told = shell.read("backtest", "template", "--since", "2026-09-01T00:00Z", status=1)
    assert told["damaged"]
    assert told["events"] == 4


def test_thresholds_are_suggested_from_verdicts(shell: Shell, places: Places) -> None:
    judge(
        places,
        (VerdictKind.TRUE_POSITIVE, 9),
        (VerdictKind.FALSE_POSITIVE, 4),
        (VerdictKind.BENIGN_TRUE_POSITIVE, 3),
    )
    times, seconds = shell.read("tune", "template")["suggestions"]
    assert (times["threshold"], times["proposed"], times["false_dropped"]) == ("times", 9.0, 1)
    assert seconds["proposed"] is None
    assert "keeps all 1 true positives" in shell.do("tune", "template")


def test_without_verdicts_nothing_is_suggested(shell: Shell) -> None:
    assert [one["proposed"] for one in shell.read("tune", "template")["suggestions"]] == [None, None]


def do(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    capsys.readouterr()
    try:
        status = run(COMMANDS, ["rules", *arguments], version="0")
    except SystemExit as left:
        status = int(left.code or 0)
    printed = capsys.readouterr()
    return status, printed.out + printed.err


@pytest.mark.parametrize("name", ["contain_client", "decoy", "observe"])
def test_a_playbook_is_put_to_its_own_vectors(
    places: Places, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    del places
    status, said = do(capsys, "test", name)
    assert status == 0
    assert f"playbooks/{name}" in said
    assert "0 faults" in said


@pytest.mark.parametrize("verb", ["test", "backtest", "tune"])
@pytest.mark.parametrize(
    "name", ["key_nothing", "", "../guards", "_template", "\x1b[2J", "\udcff", "x" * 5_000]
)
def test_a_rule_that_is_not_there_is_refused_with_where_to_look(
    places: Places, capsys: pytest.CaptureFixture[str], verb: str, name: str
) -> None:
    del places
    status, said = do(capsys, verb, name)
    assert status == 2
    assert "there is no detection" in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    "text", ["times", "=5", "times=", "times=x", "times=nan", "times=inf", "times=1e999"]
)
def test_a_threshold_that_is_no_number_is_refused(
    places: Places, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    del places
    status, said = do(capsys, "backtest", "template", "--threshold", text)
    assert status == 2
    assert "NAME=VALUE" in said


def test_a_threshold_that_the_card_does_not_have_is_refused_with_those_it_has(shell: Shell) -> None:
    with pytest.raises(Exception, match=r"no threshold 'colour'\n.*times, seconds"):
        shell.do("backtest", "template", "--threshold", "colour=1")
