"""Grants: what they let through, and that narrowing never widens."""

import ipaddress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.key.grant import (
    allowance,
    check_address,
    check_hours,
    check_request,
    compile_grant,
    granted_upstreams,
    narrow,
)
from chatelaine.model.error import UsageError
from chatelaine.model.exchange import Modality, Operation, RefusalReason
from chatelaine.model.key import Grant, HourSpan
from chatelaine.model.limit import Allowance
from chatelaine.model.words import Instant, NanoUsd, UpstreamName

TEXT = (Modality.TEXT,)
OUTSIDE = RefusalReason.ADDRESS_NOT_GRANTED
AFTER_HOURS = RefusalReason.HOUR_NOT_GRANTED


def at(text: str) -> Instant:
    return Instant(int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000)


def asked(
    grant: Grant, model: str, operation: Operation = Operation.CHAT, modalities: tuple[Modality, ...] = TEXT
) -> RefusalReason | None:
    return check_request(compile_grant(grant), model=model, operation=operation, modalities=modalities)


def test_an_empty_grant_limits_nothing() -> None:
    free = compile_grant(Grant())
    assert check_address(free, "not even an address") is None
    assert check_hours(free, Instant(0)) is None
    assert asked(Grant(), "", Operation.OTHER, (Modality.VIDEO,)) is None
    assert granted_upstreams(free, (UpstreamName("a"),)) == ("a",)
    assert allowance(Grant()) == Allowance()


@pytest.mark.parametrize(
    ("networks", "ip", "found"),
    [
        (("10.0.0.0/8",), "10.255.0.1", None),
        (("10.0.0.0/8",), "11.0.0.1", OUTSIDE),
        (("10.0.0.0/8",), "::ffff:10.1.2.3", None),
        (("10.0.0.0/8",), "::FFFF:0a01:0203", None),
        (("10.0.0.0/8",), "::ffff:11.1.2.3", OUTSIDE),
        (("::ffff:10.0.0.0/104",), "10.1.2.3", None),
        (("::ffff:10.0.0.0/104",), "11.1.2.3", OUTSIDE),
        (("2001:db8::/32",), "2001:db8::1", None),
        (("2001:db8::/32",), "2001:db9::1", OUTSIDE),
        (("::/0",), "10.1.2.3", OUTSIDE),
        (("::/0",), "2001:db8::1", None),
        (("0.0.0.0/0",), "2001:db8::1", OUTSIDE),
        (("192.0.2.7",), "192.0.2.7", None),
        (("192.0.2.7",), "192.0.2.8", OUTSIDE),
        (("fe80::/10",), "fe80::1%eth0", None),
        (("10.0.0.0/8", "2001:db8::/32"), "2001:db8::1", None),
        (("10.0.0.0/8",), "", OUTSIDE),
        (("10.0.0.0/8",), "10.0.0.1, 1.2.3.4", OUTSIDE),
        (("10.0.0.0/8",), "010.0.0.1", OUTSIDE),
        (("10.0.0.0/8",), "167772161", OUTSIDE),
        (("10.0.0.0/8",), "unix:", OUTSIDE),
    ],
)
def test_an_address_is_inside_a_granted_network_or_refused(
    networks: tuple[str, ...],
    ip: str,
    found: RefusalReason | None,
) -> None:
    assert check_address(compile_grant(Grant(networks=networks)), ip) is found


@pytest.mark.parametrize(
    ("span", "when", "found"),
    [
        (HourSpan((0, 1, 2, 3, 4), 480, 1080), "2024-07-08T08:00:00", None),
        (HourSpan((0, 1, 2, 3, 4), 480, 1080), "2024-07-08T07:59:59", AFTER_HOURS),
        (HourSpan((0, 1, 2, 3, 4), 480, 1080), "2024-07-08T17:59:59", None),
        (HourSpan((0, 1, 2, 3, 4), 480, 1080), "2024-07-08T18:00:00", AFTER_HOURS),
        (HourSpan((0, 1, 2, 3, 4), 480, 1080), "2024-07-13T12:00:00", AFTER_HOURS),
        (HourSpan((5,), 0, 1440), "2024-07-13T23:59:59", None),
        (HourSpan((5,), 0, 1440), "2024-07-14T00:00:00", AFTER_HOURS),
        (HourSpan((4,), 1320, 360), "2024-07-12T22:00:00", None),
        (HourSpan((4,), 1320, 360), "2024-07-13T05:59:00", None),
        (HourSpan((4,), 1320, 360), "2024-07-12T05:00:00", AFTER_HOURS),
        (HourSpan((6,), 1320, 360), "2024-07-15T05:00:00", None),
        (HourSpan((6,), 1320, 360), "2024-07-15T06:00:00", AFTER_HOURS),
        (HourSpan((3,), 0, 1), "1970-01-01T00:00:30", None),
    ],
)
def test_an_hour_is_inside_a_granted_span_or_refused(
    span: HourSpan, when: str, found: RefusalReason | None
) -> None:
    assert check_hours(compile_grant(Grant(hours=(span,))), at(when)) is found


def test_models_are_granted_by_name_or_beginning() -> None:
    grant = Grant(models=("gpt-4o*", "o3"))
    assert asked(grant, "gpt-4o-mini") is None
    assert asked(grant, "gpt-4o") is None
    assert asked(grant, "o3") is None
    for other in ("o3-mini", "GPT-4o", "gpt-4", "*", "xgpt-4o"):
        assert asked(grant, other) is RefusalReason.MODEL_NOT_GRANTED


def test_a_star_alone_limits_no_model() -> None:
    assert asked(Grant(models=("*",)), "") is None


def test_a_request_without_a_model_cannot_go_round_a_limit_on_models() -> None:
    grant = Grant(models=("gpt-4o",))
    assert asked(grant, "", Operation.LIST) is None
    assert asked(grant, "", Operation.FILE) is None
    for operation in set(Operation) - {Operation.LIST, Operation.FILE}:
        assert asked(grant, "", operation) is RefusalReason.MODEL_NOT_GRANTED


def test_operations_and_modalities_are_granted_by_name() -> None:
    grant = Grant(operations=(Operation.CHAT,), modalities=(Modality.TEXT, Modality.IMAGE))
    assert asked(grant, "any") is None
    assert asked(grant, "any", Operation.IMAGE) is RefusalReason.OPERATION_NOT_GRANTED
    assert asked(grant, "any", modalities=(Modality.IMAGE, Modality.TEXT)) is None
    assert (
        asked(grant, "any", modalities=(Modality.AUDIO, Modality.TEXT)) is RefusalReason.MODALITY_NOT_GRANTED
    )


def test_upstreams_that_are_not_granted_drop_out_in_order() -> None:
    granted = compile_grant(Grant(upstreams=(UpstreamName("b"), UpstreamName("c"))))
    names = tuple(map(UpstreamName, "cab"))
    assert granted_upstreams(granted, names) == ("c", "b")
    assert granted_upstreams(granted, (UpstreamName("a"),)) == ()


@pytest.mark.parametrize(
    "grant",
    [
        Grant(networks=("10.0.0.0/33",)),
        Grant(networks=("10.0.0.1/8",)),
        Grant(networks=("",)),
        Grant(networks=("everywhere",)),
        Grant(models=("",)),
        Grant(models=("gpt*4",)),
        Grant(models=("**",)),
        Grant(hours=(HourSpan((7,), 0, 60),)),
        Grant(hours=(HourSpan((), 0, 60),)),
        Grant(hours=(HourSpan((0,), 60, 60),)),
        Grant(hours=(HourSpan((0,), -1, 60),)),
        Grant(hours=(HourSpan((0,), 0, 1441),)),
        Grant(parallel=-1),
        Grant(spend_per_day=NanoUsd(-1)),
    ],
)
def test_a_grant_that_makes_no_sense_is_refused_with_the_fix(grant: Grant) -> None:
    with pytest.raises(UsageError) as caught:
        compile_grant(grant)
    assert caught.value.hint


prefixes = st.sampled_from(
    (
        "10.0.0.0/8",
        "10.1.0.0/16",
        "10.1.2.0/24",
        "192.0.2.0/24",
        "2001:db8::/32",
        "::/0",
        "::ffff:10.1.0.0/112",
    )
)
models = st.text("ab", min_size=1, max_size=3)
patterns = st.one_of(models, st.text("ab", max_size=2).map(lambda text: text + "*"))
spans = st.builds(
    HourSpan,
    st.lists(st.integers(0, 6), min_size=1, max_size=3).map(tuple),
    st.integers(0, 1439),
    st.integers(0, 1440),
).filter(lambda span: span.from_minute != span.to_minute)
limits = st.none() | st.integers(0, 5)


def some(items: st.SearchStrategy) -> st.SearchStrategy:
    return st.lists(items, max_size=3).map(tuple)


grants = st.builds(
    Grant,
    upstreams=some(st.sampled_from("xyz")),
    models=some(patterns),
    operations=some(st.sampled_from((Operation.CHAT, Operation.IMAGE, Operation.LIST))),
    modalities=some(st.sampled_from((Modality.TEXT, Modality.IMAGE))),
    networks=some(prefixes),
    hours=some(spans),
    requests_per_minute=limits,
    tokens_per_minute=limits,
    parallel=limits,
    spend_per_day=limits,
    spend_per_month=limits,
)
addresses = st.one_of(
    st.ip_addresses().map(str),
    st.integers(0, 2**17).map(lambda low: str(ipaddress.ip_address((10 << 24) + (1 << 16) + low))),
)
instants = st.integers(0, 8 * 24 * 60).map(lambda minute: Instant(minute * 60_000_000_000))


@given(grants, grants, addresses, instants, models, st.sampled_from(Operation))
def test_a_narrowed_grant_allows_exactly_what_both_allow(  # noqa: PLR0913, PLR0917 - one argument a drawn value
    one: Grant, other: Grant, ip: str, now: Instant, model: str, operation: Operation
) -> None:
    try:
        narrowed = narrow(one, other)
    except UsageError:
        return
    both, left, right = compile_grant(narrowed), compile_grant(one), compile_grant(other)
    assert (check_address(both, ip) is None) == (check_address(left, ip) is None is check_address(right, ip))
    assert (check_hours(both, now) is None) == (check_hours(left, now) is None is check_hours(right, now))
    for name in (model, ""):
        assert (asked(narrowed, name, operation) is None) == (
            asked(one, name, operation) is None is asked(other, name, operation)
        )
    names = tuple(map(UpstreamName, "xyzw"))
    assert set(granted_upstreams(both, names)) == set(granted_upstreams(left, names)) & set(
        granted_upstreams(right, names)
    )
    for limit in ("requests_per_minute", "tokens_per_minute", "parallel", "spend_per_day", "spend_per_month"):
        set_limits = [getattr(part, limit) for part in (one, other) if getattr(part, limit) is not None]
        assert getattr(narrowed, limit) == min(set_limits, default=None)


@given(grants)
def test_narrowing_by_nothing_or_by_itself_changes_nothing_that_counts(grant: Grant) -> None:
    assert narrow(grant, Grant()) == narrow(Grant(), grant) == grant
    again = narrow(grant, grant)
    assert compile_grant(again).models == compile_grant(grant).models


def test_narrowing_to_nothing_is_refused_and_does_not_become_unlimited() -> None:
    for one, other in (
        (Grant(models=("a",)), Grant(models=("b",))),
        (Grant(networks=("10.0.0.0/8",)), Grant(networks=("192.0.2.0/24",))),
        (Grant(operations=(Operation.CHAT,)), Grant(operations=(Operation.IMAGE,))),
        (Grant(hours=(HourSpan((0,), 0, 60),)), Grant(hours=(HourSpan((1,), 0, 60),))),
    ):
        with pytest.raises(UsageError, match="in common"):
            narrow(one, other)
