"""The shelf of playbooks: whole, within what its cards promise, and refused where it is not."""

import shutil
from pathlib import Path

import pytest

from chatelaine import catalog
from chatelaine.catalog.playbook import read_playbook, try_playbook
from chatelaine.core.playbook.plan import LASTING
from chatelaine.model.detection import Alert, Family, Severity
from chatelaine.model.error import Fault
from chatelaine.model.playbook import ActionKind, Approval, BlastRadius, Situation
from chatelaine.model.words import AlertId, ContextId, IncidentId, Instant, KeyId, OwnerId, PlaybookId

PLAYBOOKS = catalog.playbooks()
SHELF = Path(str(catalog.shelf("playbooks")))
WHOLE_KEY = {ActionKind.SUSPEND, ActionKind.ROTATE, ActionKind.REVOKE}


def situation(*, key: str = "k1", contexts: tuple[str, ...] = ("thief",), canary: bool = False) -> Situation:
    alert = Alert(
        id=AlertId("a1"),
        at=Instant(1),
        key=KeyId(key),
        owner=OwnerId("acme"),
        contexts=tuple(map(ContextId, contexts)),
        severity=Severity.CRITICAL,
        families=tuple(Family),
        certain=True,
        actionable=True,
        findings=(),
        playbooks=(),
    )
    return Situation(alert=alert, incident=IncidentId("inc_1"), canary=canary)


SITUATIONS = [
    situation(key=key, contexts=contexts, canary=canary)
    for key in ("", "k1")
    for contexts in ((), ("thief",), ("thief", "other"))
    for canary in (False, True)
]


def test_the_ten_playbooks_are_there() -> None:
    assert set(PLAYBOOKS) == {
        "contain_client", "decoy", "notify_owner", "observe", "quarantine_client", "revoke_key",
        "rotate_key", "step_up", "tarpit_client", "throttle_client",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(PLAYBOOKS))
@pytest.mark.parametrize("told", SITUATIONS)
def test_no_plan_reaches_further_than_its_card_says(name: str, told: Situation) -> None:
    playbook = PLAYBOOKS[PlaybookId(name)]
    for wanted in playbook.plan(told, playbook.card):
        if wanted.kind is ActionKind.NOTIFY:
            continue
        assert wanted.key == told.alert.key != ""
        assert set(wanted.contexts) <= set(told.alert.contexts)
        if wanted.kind in WHOLE_KEY:
            assert playbook.card.blast_radius is BlastRadius.KEY
            assert playbook.card.approval is Approval.PERSON
        elif not wanted.contexts and not wanted.foreign:
            assert told.canary


@pytest.mark.parametrize("name", sorted(PLAYBOOKS))
def test_what_runs_by_itself_can_be_taken_back(name: str) -> None:
    playbook = PLAYBOOKS[PlaybookId(name)]
    if playbook.card.approval is Approval.AUTOMATIC:
        for told in SITUATIONS:
            kinds = {wanted.kind for wanted in playbook.plan(told, playbook.card)}
            assert kinds <= LASTING | {ActionKind.NOTIFY}


@pytest.fixture
def item(tmp_path: Path) -> Path:
    folder = tmp_path / "contain_client"
    shutil.copytree(SHELF / "contain_client", folder)
    return folder


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('id = "contain_client"', 'id = "other"', "the id is 'other'"),
        ("version = 1", "version = 0", "versions start at 1"),
        ('covers = ["R02", "R10"]', "covers = []", "no row of the response catalogue"),
        ("max_own_share = 0.0", "max_own_share = 1.5", "max_own_share is 1.5"),
        ("max_own_share = 0.0", "max_own_share = nan", "max_own_share is nan"),
        ("time_limit_minutes = 1440", "time_limit_minutes = 0", "time_limit_minutes is 0"),
        ("time_limit_minutes = 1440", "time_limit_minutes = 999999", "nothing is for ever"),
        ("version = 1", 'version = 1\nthen = "observe"', "then and fuse_usd belong together"),
        ("version = 1", "version = 1\nfuse_usd = 1.0", "then and fuse_usd belong together"),
        ('reversal = "lift it', 'reversal = ""\n# "lift it', "does not say what undoes it"),
        ("blast_radius = 1", "blast_radius = 2", "reaches the whole key and asks nobody"),
        ("blast_radius = 1", "blast_radius = 9", "Invalid enum value 9"),
        ('approval = "automatic"', 'approval = "nobody"', "Invalid enum value 'nobody'"),
        ("version = 1", "version = 1\ncolour = 1", "colour"),
        ("version = 1", "version = [", "playbook.toml"),
    ],
)
def test_a_card_that_promises_what_it_may_not_is_a_fault(
    item: Path, before: str, after: str, said: str
) -> None:
    card = item / "playbook.toml"
    text = card.read_text("utf-8")
    assert before in text
    card.write_text(text.replace(before, after), "utf-8")
    faults: list[Fault] = []
    read_playbook(item, faults)
    assert any(said in f"{fault.where}: {fault.message} {fault.hint}" for fault in faults)


def test_a_vector_that_its_playbook_fails_is_a_fault(item: Path) -> None:
    playbook = PLAYBOOKS[PlaybookId("contain_client")]
    assert try_playbook(playbook, item) == []
    (item / "vectors/quiet_no_context.txt").write_text("=== situation\n", "utf-8")
    (item / "vectors/quiet_fires.txt").write_text('=== situation\ncontexts = ["thief"]\n', "utf-8")
    (item / "vectors/fires_broken.txt").write_text("nothing", "utf-8")
    found = [fault.message for fault in try_playbook(playbook, item)]
    assert found == [
        "there is no part: a line '=== name' begins one",
        "it plans: restrain runs",
        "it plans: notify runs",
    ]
