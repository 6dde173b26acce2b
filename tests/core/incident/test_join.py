"""Alerts that open, join and merge incidents."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.incident.join import add_findings, incident_id, join, matching, merge, open_incident
from chatelaine.core.incident.lifecycle import apply
from chatelaine.core.incident.settle import settle
from chatelaine.model.detection import Alert, Family, Finding, Said, Severity
from chatelaine.model.error import TransitionRefused
from chatelaine.model.incident import (
    Incident,
    IncidentInput,
    IncidentState,
    Note,
    Reckoning,
    Verdict,
    VerdictKind,
)
from chatelaine.model.words import (
    AlertId,
    ContextId,
    DetectionId,
    ExchangeId,
    FindingId,
    Instant,
    KeyId,
    NanoUsd,
    OwnerId,
)


def finding(name: str, at: int = 10, *, key: str = "k1", context: str = "c1", prefix: str = "p1") -> Finding:
    return Finding(
        id=FindingId(name),
        detection=DetectionId("key_new"),
        version=1,
        at=Instant(at),
        exchange=ExchangeId(f"x{name}"),
        key=KeyId(key),
        owner=OwnerId("acme"),
        context=ContextId(context),
        prefix=prefix,
        family=Family.NETWORK,
        severity=Severity.MEDIUM,
        certain=False,
        said=Said("seen", "usual", "against"),
    )


def alert(
    name: str, at: int = 20, *, key: str = "k1", contexts: tuple[str, ...] = ("c1",), **fields: object
) -> Alert:
    one = Alert(
        id=AlertId(name),
        at=Instant(at),
        key=KeyId(key),
        owner=OwnerId(f"owner of {key}" if key else ""),
        contexts=tuple(map(ContextId, contexts)),
        severity=Severity.MEDIUM,
        families=(Family.NETWORK, Family.CLIENT),
        certain=False,
        actionable=True,
        findings=(),
        playbooks=(),
    )
    return msgspec.structs.replace(one, **fields)


def opened(name: str = "a1", at: int = 20, **fields: object) -> Incident:
    return open_incident(alert(name, at, **fields), [])


def moved(incident: Incident, *given: IncidentInput) -> Incident:
    for one in given:
        incident = apply(incident, one, at=Instant(30), by="ana")
    return incident


def test_an_alert_opens_an_incident_with_all_that_it_knows() -> None:
    one = open_incident(alert("a1"), [finding("f1", 10), finding("f2", 8)])
    assert (one.state, one.severity, one.opened_at, one.first_at) == (
        IncidentState.OPEN,
        Severity.MEDIUM,
        20,
        8,
    )
    assert (one.keys, one.owners, one.contexts, one.prefixes) == (
        ("k1",),
        ("owner of k1",),
        ("c1",),
        ("p1",),
    )
    assert (one.alerts, one.findings, one.found, one.detections) == (("a1",), ("f1", "f2"), 2, ("key_new",))
    assert one.title == "Key k1 is being used by somebody else from p1"


def test_the_same_alert_always_opens_the_incident_of_the_same_id() -> None:
    assert opened().id == opened().id == incident_id(alert("a1"))
    assert opened().id != opened("a2").id
    assert len(opened().id) == len("inc_") + 12


def test_an_alert_joins_the_incident_of_its_key() -> None:
    assert matching(alert("a2", contexts=("c9",)), [opened()]) == (opened(),)


def test_an_alert_joins_the_incident_of_another_owners_key_that_the_same_client_uses() -> None:
    assert matching(alert("a2", key="k2"), [opened()]) == (opened(),)
    assert matching(alert("a2", key="k2", contexts=("c9",)), [opened()]) == ()


def test_an_alert_without_any_context_joins_no_other_key() -> None:
    assert matching(alert("a2", key="k2", contexts=()), [opened(contexts=())]) == ()


def test_alerts_about_nobody_known_are_kept_together() -> None:
    one = opened(key="", contexts=())
    assert matching(alert("a2", key="", contexts=()), [one]) == (one,)
    assert matching(alert("a2", key="", contexts=("c1",)), [one]) == ()
    assert one.title == "A client without a key behaves as thieves do"


@pytest.mark.parametrize("given", [IncidentInput.CLOSE, IncidentInput.MERGE])
def test_an_incident_that_is_over_takes_no_alert(given: IncidentInput) -> None:
    over = moved(opened(), given)
    assert matching(alert("a2"), [over]) == ()
    with pytest.raises(TransitionRefused):
        join(over, alert("a2"), [])


def test_the_oldest_of_several_incidents_is_joined_first() -> None:
    younger, older = opened("a1", 50), opened("a0", 20, key="k2", contexts=("c2",))
    assert matching(alert("a2", contexts=("c2",)), [younger, older]) == (older, younger)


def test_an_alert_that_has_joined_changes_nothing() -> None:
    one = join(opened(), alert("a2"), [finding("f1")])
    assert join(one, alert("a2"), [finding("f1")]) == one


def test_a_contained_incident_stays_so_for_what_it_knows_and_opens_for_what_it_does_not() -> None:
    held = moved(opened(), IncidentInput.CONTAIN)
    assert join(held, alert("a2"), []).state is IncidentState.CONTAINED
    assert join(held, alert("a2", contexts=("c2",)), []).state is IncidentState.OPEN
    assert join(held, alert("a2", key="k2"), []).state is IncidentState.OPEN


def test_an_incident_is_as_severe_as_its_most_severe_alert() -> None:
    one = join(opened(), alert("a2", severity=Severity.CRITICAL), [])
    assert one.severity is Severity.CRITICAL
    assert join(one, alert("a3", severity=Severity.LOW), []).severity is Severity.CRITICAL


def test_findings_are_counted_all_and_named_up_to_a_bound() -> None:
    one = opened()
    for number in range(3_000):
        one = add_findings(one, [finding(f"f{number}", 10 + number)])
    assert one.found == 3_000
    assert len(one.findings) == 1_000
    assert one.findings[0] == "f0"
    assert one.findings[-1] == "f2999"
    assert one.updated_at == 3_009


def test_a_finding_of_another_client_lends_its_network_to_no_incident() -> None:
    assert add_findings(opened(), [finding("f1", context="c9", prefix="p9")]).prefixes == ()


def test_a_merged_incident_goes_on_in_the_other_with_all_that_it_has() -> None:
    note, verdict = Note(Instant(3), "bo", "n"), Verdict(VerdictKind.TRUE_POSITIVE, "r", "bo", Instant(4))
    other = msgspec.structs.replace(
        opened("a2", 10, key="k2", contexts=("c2",)),
        notes=(note,),
        verdicts=(verdict,),
        reckoning=Reckoning(2, 1, NanoUsd(5), Instant(3), Instant(9), Instant(9)),
        severity=Severity.CRITICAL,
        assignee="bo",
    )
    into, gone = merge(opened(), other, at=Instant(40))
    assert (gone.state, gone.merged_into) == (IncidentState.MERGED, into.id)
    assert (into.keys, into.contexts, into.alerts) == (("k1", "k2"), ("c1", "c2"), ("a1", "a2"))
    assert (into.notes, into.verdicts, into.severity, into.assignee) == (
        (note,),
        (verdict,),
        Severity.CRITICAL,
        "bo",
    )
    assert into.reckoning == other.reckoning
    assert into.absorbed == (other.id,)
    assert into.title == "2 keys of 2 owners are being used by somebody else"


def test_an_alert_that_links_two_incidents_merges_them_into_the_older() -> None:
    older, younger = opened("a1", 20), opened("a2", 30, key="k2", contexts=("c2",))
    bridge = alert("a3", 40, key="k2", contexts=("c1",))
    settled = settle([younger, older], [bridge], [], {})
    now = {one.id: one for one in settled.incidents}
    assert now[older.id].keys == ("k1", "k2")
    assert now[older.id].alerts == ("a1", "a3", "a2")
    assert now[younger.id].merged_into == older.id
    assert [step.given for step in settled.steps] == [
        IncidentInput.SPREAD,
        IncidentInput.MERGE,
        IncidentInput.SPREAD,
    ]


def test_two_alerts_of_one_turn_about_the_same_theft_are_one_incident() -> None:
    settled = settle([], [alert("a1"), alert("a2", 21, key="k2")], [], {})
    (one,) = settled.incidents
    assert one.keys == ("k1", "k2")


def test_findings_that_make_no_alert_follow_theirs() -> None:
    held = opened()
    ours, other = finding("f1"), finding("f2", key="k9")
    (one,) = settle([held], [], [ours, other], {}).incidents
    assert one.findings == ("f1",)


keys = st.sampled_from(["", "k1", "k2", "k3"])
contexts = st.lists(st.sampled_from(["c1", "c2", "c3", "c4"]), max_size=2, unique=True).map(tuple)
drawn = st.lists(st.tuples(keys, contexts), max_size=8)


@given(drawn)
def test_whatever_comes_each_alert_is_in_one_live_incident_and_no_two_share_a_key(
    told: list[tuple[str, tuple[str, ...]]],
) -> None:
    alerts = [alert(f"a{n}", 20 + n, key=key, contexts=c) for n, (key, c) in enumerate(told)]
    settled = settle([], alerts, [], {})
    live = [one for one in settled.incidents if one.state is not IncidentState.MERGED]
    assert sorted(name for one in live for name in one.alerts) == sorted(one.id for one in alerts)
    named = [key for one in live for key in one.keys]
    assert len(named) == len(set(named))
    seen = [context for one in live for context in one.contexts]
    assert len(seen) == len(set(seen))
    merged = {one.id: one.merged_into for one in settled.incidents if one.merged_into}
    assert set(merged.values()) <= {one.id for one in settled.incidents}


@given(drawn, st.integers(0, 8))
def test_alerts_told_again_after_a_crash_change_nothing(
    told: list[tuple[str, tuple[str, ...]]], cut: int
) -> None:
    alerts = [alert(f"a{n}", 20 + n, key=key, contexts=c) for n, (key, c) in enumerate(told)]
    once = settle([], alerts, [], {})
    live = [one for one in once.incidents if one.state is not IncidentState.MERGED]
    again = settle(live, alerts[cut:], [], {})
    assert again.steps == ()
    assert again.incidents == tuple(live)
