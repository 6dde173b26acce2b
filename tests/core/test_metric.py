"""The metrics: named as Prometheus asks, bounded whatever their labels are given."""

import re
from pathlib import Path

import pytest

import chatelaine.core.metric
from chatelaine.core.metric import (
    CONFIGURED,
    LABELS,
    METRICS,
    OTHER,
    REQUESTS,
    Kind,
    bound,
    label_values,
    reference,
)

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "metrics.md"


def test_names_and_units_follow_the_conventions_of_prometheus() -> None:
    for metric in METRICS.values():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
        assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
        assert (metric.kind is Kind.HISTOGRAM) == metric.name.endswith("_seconds")
        assert metric.help.endswith(".")
        assert list(metric.buckets) == sorted(set(metric.buckets))


def test_every_label_says_which_values_it_may_have() -> None:
    used = {label for metric in METRICS.values() for label in metric.labels}
    assert used == (CONFIGURED | LABELS.keys()) & used
    assert used <= CONFIGURED | LABELS.keys()


def test_no_label_tells_of_a_key_an_address_or_a_user() -> None:
    names = CONFIGURED | LABELS.keys()
    assert not [name for name in names if re.search(r"key|kid|owner|app|ip|user|agent|address", name)]


def test_a_value_that_is_not_listed_becomes_other() -> None:
    values = label_values({"provider": frozenset({"openai"})})
    assert bound(METRICS[REQUESTS], ("openai", "/x", "completed"), values) == ("openai", OTHER, "completed")


def test_a_wrong_number_of_labels_is_a_fault_of_ours() -> None:
    with pytest.raises(ValueError, match="not 1 of them"):
        bound(METRICS[REQUESTS], ("openai",), label_values({}))


def test_the_page_of_the_docs_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run python tools/reference.py"


def test_every_metric_is_fed_by_something() -> None:
    names = {
        value: name
        for name, value in vars(chatelaine.core.metric).items()
        if isinstance(value, str) and value in METRICS
    }
    assert set(names.values()) >= {"REQUESTS", "EVENT_QUEUE"}
    package = ROOT / "src" / "chatelaine"
    declared = package / "core" / "metric.py"
    code = "\n".join(path.read_text() for path in package.rglob("*.py") if path != declared)
    used = r"\b(count|observe|series|show)\((?:\w+\.)?{}\b"
    unfed = {value for value, name in names.items() if not re.search(used.format(name), code)}
    assert set(names) == set(METRICS)
    assert not unfed
