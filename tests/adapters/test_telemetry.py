"""Counting: cheap, bounded, added up over processes, and readable by Prometheus itself."""

import random
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from chatelaine.adapters.telemetry import Tally, exposition
from chatelaine.core.metric import (
    BUILD,
    COST,
    IN_FLIGHT,
    KEYS,
    METRICS,
    OVERHEAD_DURATION,
    PREFIX,
    REQUEST_DURATION,
    REQUESTS,
    Kind,
)
from chatelaine.model.link import Count, Distribution, Snapshot

CONFIGURED = {"provider": frozenset({"openai", "azure"}), "route": frozenset({"/v1/models"})}


def samples(tally: Tally) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(exposition(tally.snapshot()))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_what_was_counted_is_shown_with_its_labels() -> None:
    tally = Tally(CONFIGURED)
    tally.count(REQUESTS, "openai", "/v1/models", "completed")
    tally.count(REQUESTS, "openai", "/v1/models", "completed", by=2)
    labels = (("outcome", "completed"), ("provider", "openai"), ("route", "/v1/models"))
    assert samples(tally)[f"{PREFIX}requests_total", labels] == 3


def test_money_is_counted_in_billionths_and_shown_in_dollars() -> None:
    tally = Tally(CONFIGURED)
    tally.count(COST, "openai", by=2_500_000_000)
    assert samples(tally)[f"{PREFIX}cost_usd_total", (("provider", "openai"),)] == pytest.approx(2.5)


def test_a_gauge_shows_its_last_value() -> None:
    tally = Tally(CONFIGURED)
    for value in (3, 7, 5):
        tally.show(IN_FLIGHT, value=value)
    assert samples(tally)[f"{PREFIX}in_flight_requests", ()] == 5


@given(values=st.lists(st.floats(0, 700), max_size=50))
def test_a_histogram_counts_every_value_once_and_cumulates(values: list[float]) -> None:
    tally = Tally(CONFIGURED)
    for value in values:
        tally.observe(REQUEST_DURATION, "openai", "chat", value=value)
    found = samples(tally)
    labels = (("operation", "chat"), ("provider", "openai"))
    for edge in METRICS[REQUEST_DURATION].buckets if values else ():
        key = (f"{PREFIX}{REQUEST_DURATION}_bucket", (("le", f"{edge:g}"), *labels))
        assert found[key] == sum(1 for value in values if value <= edge)
    if values:
        assert found[f"{PREFIX}{REQUEST_DURATION}_count", labels] == len(values)
        assert found[f"{PREFIX}{REQUEST_DURATION}_sum", labels] == pytest.approx(sum(values))


def test_a_hundred_thousand_random_labels_make_a_handful_of_series() -> None:
    tally, chance = Tally(CONFIGURED), random.Random(1)
    for number in range(100_000):
        junk = f"chln_live_{chance.random()}"
        tally.count(REQUESTS, junk, f"/v1/{number}", junk)
        tally.observe(REQUEST_DURATION, junk, junk, value=0.1)
        tally.show(KEYS, junk, value=1)
    text = exposition(tally.snapshot())
    assert "chln_" not in text
    assert text.count("\n") < 40


def test_an_unknown_metric_or_a_wrong_number_of_labels_is_a_fault_of_ours() -> None:
    tally = Tally(CONFIGURED)
    with pytest.raises(KeyError):
        tally.count("nothing_total")
    with pytest.raises(ValueError, match="labels"):
        tally.count(REQUESTS, "openai")


def test_two_processes_add_up_and_a_third_that_left_stays_counted() -> None:
    one, two, gone, total = Tally(CONFIGURED), Tally(CONFIGURED), Tally(CONFIGURED), Tally(CONFIGURED)
    for tally in (one, two, gone):
        tally.count(REQUESTS, "openai", "/v1/models", "completed")
        tally.observe(OVERHEAD_DURATION, "total", value=0.00003)
        tally.show(IN_FLIGHT, value=4)
    total.merge(one.snapshot())
    total.merge(two.snapshot())
    total.merge_counted(gone.snapshot())
    found = samples(total)
    labels = (("outcome", "completed"), ("provider", "openai"), ("route", "/v1/models"))
    assert found[f"{PREFIX}requests_total", labels] == 3
    assert found[f"{PREFIX}{OVERHEAD_DURATION}_count", (("stage", "total"),)] == 3
    assert found[f"{PREFIX}in_flight_requests", ()] == 8, "the gauges of a process go with it"


def test_a_snapshot_of_another_release_or_of_a_liar_does_no_harm() -> None:
    tally = Tally(CONFIGURED)
    tally.merge(
        Snapshot(
            counters=(Count("unknown_total", (), 1), Count(REQUESTS, ("x",), 1), Count(IN_FLIGHT, (), 1)),
            gauges=(Count(REQUESTS, ("openai", "/v1/models", "completed"), 1),),
            histograms=(
                Distribution(REQUEST_DURATION, ("openai", "chat"), (1, 2, 3), 1.0),
                Distribution(REQUESTS, ("openai", "/v1/models", "completed"), (1,), 1.0),
            ),
        )
    )
    assert not [value for (name, _), value in samples(tally).items() if value]


def test_what_is_hostile_in_a_label_does_not_break_a_line() -> None:
    tally = Tally({"version": frozenset({'1"\n\\'})})
    tally.show(BUILD, '1"\n\\', value=1)
    assert samples(tally) == {(f"{PREFIX}build_info", (("version", '1"\n\\'),)): 1}


def test_every_metric_can_be_shown_and_read_back() -> None:
    tally = Tally(CONFIGURED)
    for metric in METRICS.values():
        given = ["anything"] * len(metric.labels)
        if metric.kind is Kind.COUNTER:
            tally.count(metric.name, *given)
        elif metric.kind is Kind.GAUGE:
            tally.show(metric.name, *given, value=1)
        else:
            tally.observe(metric.name, *given, value=1)
    families = {family.name for family in text_string_to_metric_families(exposition(tally.snapshot()))}
    assert families == {f"{PREFIX}{name.removesuffix('_total')}" for name in METRICS}


def test_counting_costs_far_less_than_a_microsecond() -> None:
    tally = Tally(CONFIGURED)
    started = time.process_time()
    for _ in range(100_000):
        tally.count(REQUESTS, "openai", "/v1/models", "completed")
    assert (time.process_time() - started) / 100_000 < 1e-6


def test_a_truth_value_that_is_shown_reaches_the_hub_as_a_number() -> None:
    tally = Tally()
    tally.show(IN_FLIGHT, value=True)
    told = msgspec.json.decode(msgspec.json.encode(tally.snapshot()), type=Snapshot)
    assert told.gauges == (Count(IN_FLIGHT, (), 1.0),)
