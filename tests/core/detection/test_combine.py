"""Findings that become alerts: who agrees with whom, on what, and when it is told again."""

import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.detection.combine import Combiner, Rules, Window, step
from chatelaine.model.detection import Alert, Family, Finding, Said, Severity
from chatelaine.model.words import (
    SECOND,
    ContextId,
    DetectionId,
    ExchangeId,
    FindingId,
    Instant,
    KeyId,
    OwnerId,
)

HOUR = 3600
RULES = Rules(playbooks={DetectionId("key_new"): "contain_client", DetectionId("use_spike"): "observe"})


def finding(
    name: str,
    seconds: float = 0,
    *,
    family: Family = Family.NETWORK,
    context: str = "c1",
    detection: str = "",
    **fields: object,
) -> Finding:
    one = Finding(
        id=FindingId(name),
        detection=DetectionId(detection or f"key_{family.value}"),
        version=1,
        at=Instant(int((1_000_000 + seconds) * SECOND)),
        exchange=ExchangeId(f"x{name}"),
        key=KeyId("k1"),
        owner=OwnerId("acme"),
        context=ContextId(context),
        prefix="203.0.113.0/24",
        family=family,
        severity=Severity.MEDIUM,
        certain=False,
        said=Said("seen", "usual", "against"),
    )
    return msgspec.structs.replace(one, **fields)


def alerts(findings: Sequence[Finding], rules: Rules = RULES) -> list[Alert]:
    combiner = Combiner(rules)
    return [one.alert for one in map(combiner.take, findings) if one.alert is not None]


def test_one_uncertain_finding_is_no_alert() -> None:
    assert alerts([finding("a")]) == []


def test_one_certain_finding_is_an_alert_that_may_be_acted_upon() -> None:
    (alert,) = alerts([finding("a", certain=True)])
    assert alert.certain
    assert alert.actionable
    assert alert.contexts == ("c1",)
    assert alert.findings == ("a",)


def test_two_families_on_one_context_are_an_alert() -> None:
    (alert,) = alerts([finding("a"), finding("b", 5, family=Family.BEHAVIOUR)])
    assert alert.families == (Family.NETWORK, Family.BEHAVIOUR)
    assert alert.actionable
    assert not alert.certain
    assert alert.findings == ("a", "b")
    assert (alert.key, alert.owner, alert.at) == ("k1", "acme", finding("b", 5).at)


def test_a_new_network_with_a_new_program_is_told_and_not_acted_upon() -> None:
    told, acted = alerts(
        [
            finding("a"),
            finding("b", 5, family=Family.CLIENT),
            finding("c", 9, family=Family.ECONOMICS),
        ]
    )
    assert (told.families, told.actionable) == ((Family.NETWORK, Family.CLIENT), False)
    assert (acted.contexts, acted.actionable) == (("c1",), True)


def test_what_is_acted_upon_is_the_client_of_which_enough_is_known() -> None:
    found = alerts(
        [
            finding("a", context="laptop"),
            finding("b", 1, context="laptop", family=Family.CLIENT),
            finding("c", 2, context="thief", certain=True),
            finding("d", 3, context="laptop", family=Family.BEHAVIOUR),
        ]
    )
    assert [(one.contexts, one.actionable) for one in found] == [
        (("laptop",), False),
        (("thief",), True),
        (("laptop",), True),
    ]


def test_one_family_that_finds_twice_does_not_agree_with_itself() -> None:
    assert alerts([finding("a"), finding("b", 5, detection="key_other")]) == []


def test_families_on_different_contexts_do_not_add_up() -> None:
    assert alerts([finding("a"), finding("b", family=Family.CLIENT, context="c2")]) == []


def test_families_on_different_keys_do_not_add_up() -> None:
    assert alerts([finding("a"), finding("b", family=Family.CLIENT, key=KeyId("k2"))]) == []


def test_a_finding_without_a_context_counts_for_every_context_of_its_key() -> None:
    spend = finding("s", 9, family=Family.ECONOMICS, context="")
    (alert,) = alerts([finding("a"), finding("b", 1, context="c2"), spend])
    assert alert.contexts == ("c1", "c2")
    assert alert.families == (Family.NETWORK, Family.ECONOMICS)


def test_findings_without_a_context_agree_about_the_key_as_a_whole() -> None:
    (alert,) = alerts(
        [finding("a", context=""), finding("b", 1, family=Family.ECONOMICS, context="")],
    )
    assert alert.contexts == ()


def test_a_certain_finding_about_the_key_makes_an_alert_beside_an_uncertain_one_of_a_client() -> None:
    found = alerts([finding("a"), finding("b", 1, context="", certain=True)])
    assert [(one.certain, one.contexts) for one in found] == [(True, ())]


def test_what_is_further_apart_than_the_window_does_not_belong_together() -> None:
    apart = 24 * HOUR + 1
    assert alerts([finding("a"), finding("b", apart, family=Family.CLIENT)]) == []
    assert len(alerts([finding("a"), finding("b", apart - 2, family=Family.CLIENT)])) == 1


def test_the_window_slides_and_does_not_jump() -> None:
    found = alerts(
        [
            finding("a"),
            finding("b", 23 * HOUR),
            finding("c", 25 * HOUR, family=Family.CLIENT),
        ]
    )
    assert [one.findings for one in found] == [("b", "c")]


def test_a_repetition_within_its_span_changes_nothing() -> None:
    before = step(Window(), finding("a"), RULES)
    again = step(before.window, finding("b", 899), RULES)
    assert again.repeated
    assert again.window == before.window
    assert not step(before.window, finding("b", 900), RULES).repeated


def test_one_detection_that_speaks_for_two_families_is_heard_for_both() -> None:
    before = step(Window(), finding("a", detection="key_foreign_client"), RULES)
    again = step(
        before.window, finding("b", 1, family=Family.ECONOMICS, detection="key_foreign_client"), RULES
    )
    assert not again.repeated
    assert again.alert is not None
    assert again.alert.actionable


def test_the_same_finding_once_more_is_a_repetition_however_late() -> None:
    before = step(Window(), finding("a"), RULES)
    assert step(before.window, finding("a"), RULES).repeated


def test_a_repetition_that_is_more_severe_or_certain_counts() -> None:
    before = step(Window(), finding("a"), RULES)
    assert not step(before.window, finding("b", 1, severity=Severity.HIGH), RULES).repeated
    assert step(before.window, finding("c", 1, certain=True), RULES).alert is not None


def test_three_families_raise_the_severity_by_one_and_never_above_critical() -> None:
    three = [
        finding("a"),
        finding("b", 1, family=Family.CLIENT),
        finding("c", 2, family=Family.ECONOMICS),
    ]
    assert [one.severity for one in alerts(three)] == [Severity.MEDIUM, Severity.HIGH]
    worst = [msgspec.structs.replace(one, severity=Severity.CRITICAL) for one in three]
    assert {one.severity for one in alerts(worst)} == {Severity.CRITICAL}


def test_three_families_on_three_contexts_raise_nothing() -> None:
    found = alerts(
        [
            finding("a"),
            finding("b", 1, family=Family.CLIENT),
            finding("c", 2, context="c2"),
            finding("d", 3, context="c2", family=Family.ECONOMICS),
        ]
    )
    assert [one.severity for one in found] == [Severity.MEDIUM, Severity.MEDIUM]
    assert found[-1].families == (Family.NETWORK, Family.ECONOMICS)
    assert [one.contexts for one in found] == [("c1",), ("c2",)]


def test_an_alert_that_is_told_again_names_only_what_is_new() -> None:
    pairs = [
        one
        for n in range(5)
        for one in (
            finding(f"a{n}", n, context=f"c{n}"),
            finding(f"b{n}", n, context=f"c{n}", family=Family.CLIENT),
        )
    ]
    assert [one.contexts for one in alerts(pairs)] == [(f"c{n}",) for n in range(5)]
    spend = finding("s", 9, context="", family=Family.ECONOMICS)
    assert alerts([*pairs, spend])[-1].contexts == tuple(f"c{n}" for n in range(5))


def test_a_thief_of_a_thousand_networks_costs_one_small_alert_each() -> None:
    many = [
        one
        for n in range(1_000)
        for one in (
            finding(f"a{n}", n, context=f"c{n}"),
            finding(f"b{n}", n, context=f"c{n}", family=Family.CLIENT),
        )
    ]
    found = alerts(many)
    assert len(found) == 1_000
    assert max(len(one.findings) for one in found) == 2


def test_an_alert_is_told_again_when_it_grows_and_only_then() -> None:
    combiner = Combiner(RULES)
    steps = [
        combiner.take(one)
        for one in (
            finding("a"),
            finding("b", 1, family=Family.CLIENT),
            finding("c", 1000),
            finding("d", 1001, family=Family.ECONOMICS),
            finding("e", 1002, context="c2", certain=True),
        )
    ]
    assert [one.alert is not None for one in steps] == [False, True, False, True, True]
    assert [one.alerted for one in steps] == [False, True, True, True, True]


def test_a_finding_of_another_client_does_not_belong_to_the_alert_that_stands() -> None:
    combiner = Combiner(RULES)
    for one in (finding("a"), finding("b", 1, family=Family.CLIENT)):
        combiner.take(one)
    assert not combiner.take(finding("c", 2, context="c2")).alerted


def test_playbooks_are_named_once_the_most_severe_finding_first() -> None:
    (alert,) = alerts(
        [
            finding("a", detection="use_spike"),
            finding("b", 1, detection="key_new", family=Family.CLIENT, severity=Severity.HIGH),
        ]
    )
    assert alert.playbooks == ("contain_client", "observe")


def test_findings_without_a_key_are_combined_by_their_client() -> None:
    nobody = KeyId("")
    found = alerts(
        [
            finding("a", key=nobody, context="c2"),
            finding("b", 1, key=nobody, family=Family.CLIENT),
            finding("c", 2, key=nobody, context="c2", family=Family.CLIENT),
        ]
    )
    assert [(one.key, one.contexts) for one in found] == [("", ("c2",))]


def test_a_window_is_bounded_and_what_is_severe_outlives_what_is_not() -> None:
    combiner = Combiner(RULES)
    combiner.take(finding("worst", severity=Severity.HIGH))
    for number in range(2_000):
        combiner.take(finding(f"n{number}", 1 + number, context=f"c{number + 2}"))
    ((_, _, window),) = combiner.dump()
    assert len(window.noted) <= 256
    assert combiner.take(finding("z", 3000, family=Family.CLIENT)).alert is not None


def test_a_turn_is_gathered_with_its_alerts_and_what_joins_earlier_ones() -> None:
    combiner = Combiner(RULES)
    first = [finding("a"), finding("b", 1, family=Family.CLIENT)]
    more = [finding("c", 1000), finding("d", 1001), finding("e", 1002, context="c9")]
    assert [one.id for one in combiner.gather(first).alerts] != []
    found = combiner.gather(more)
    assert found.alerts == ()
    assert [one.id for one in found.joined] == ["c"]
    assert len(found.findings) == 3


@pytest.fixture
def whole() -> list[Finding]:
    families = list(Family)
    return [
        finding(f"f{n}", n * 700, family=families[n * 7 % 5], context=f"c{n % 3}" if n % 4 else "")
        for n in range(40)
    ]


def test_what_is_dumped_over_json_goes_on_as_if_nothing_had_been(whole: list[Finding]) -> None:
    expected = alerts(whole)
    for cut in range(0, len(whole), 7):
        before, after = Combiner(RULES), Combiner(RULES)
        told = [before.take(one).alert for one in whole[:cut]]
        kept = msgspec.json.encode(before.dump())
        assert isinstance(json.loads(kept), list)
        after.load(msgspec.json.decode(kept, type=list[tuple[str, str, Window]]))
        told += [after.take(one).alert for one in whole[cut:]]
        assert [one for one in told if one is not None] == expected


def test_the_same_findings_give_the_same_alerts_with_the_same_ids(whole: list[Finding]) -> None:
    assert alerts(whole) == alerts(whole)
    ids = [one.id for one in alerts(whole)]
    assert len(ids) == len(set(ids))


def test_an_alert_told_again_from_an_older_state_is_the_same_alert(whole: list[Finding]) -> None:
    combiner = Combiner(RULES)
    for one in whole[:20]:
        combiner.take(one)
    kept = combiner.dump()
    first = [combiner.take(one).alert for one in whole[20:]]
    combiner.load(kept)
    assert [combiner.take(one).alert for one in whole[20:]] == first


some = st.builds(
    finding,
    st.uuids().map(str),
    st.integers(0, 23 * HOUR),
    family=st.sampled_from(Family),
    context=st.sampled_from(["", "c1", "c2", "c3"]),
    severity=st.sampled_from(Severity),
    certain=st.booleans(),
)


@given(st.lists(some, max_size=12, unique_by=lambda one: one.id))
def test_every_alert_is_certain_or_has_two_families_that_agree_on_one_client(found: list[Finding]) -> None:
    by_id = {one.id: one for one in found}
    for alert in alerts(found):
        named = [by_id[one] for one in alert.findings]
        assert alert.severity <= Severity.CRITICAL
        for context in alert.contexts or ("",):
            about = [one for one in named if one.context in {context, ""}]
            families = {one.family for one in about}
            certain = any(one.certain for one in about)
            assert certain or len(families) >= 2
            # Who a client is, is never enough to act upon.
            assert certain or not alert.actionable or families - {Family.NETWORK, Family.CLIENT}


@given(st.lists(some, max_size=10, unique_by=lambda one: one.id), st.randoms(use_true_random=False))
def test_within_a_window_the_order_decides_neither_clients_nor_families(
    found: list[Finding], chance: object
) -> None:
    # Where one of the key as a whole completes several clients at once, those to act upon are told first.
    found = [one for one in found if one.context]
    shuffled = list(found)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]  # the strategy's own kind of random
    one, other = alerts(found), alerts(shuffled)
    assert bool(one) == bool(other)
    if one:
        assert {c for a in one for c in a.contexts} == {c for a in other for c in a.contexts}
        assert {f for a in one for f in a.families} == {f for a in other for f in a.families}
