"""Counts in plain dictionaries, sums over processes, and shows the sums to Prometheus."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping

from chatelaine.core.metric import METRICS, PREFIX, Kind, Metric, bound, label_values
from chatelaine.model.link import Count, Distribution, Snapshot
from chatelaine.ports import Series

Labels = tuple[str, ...]


class Tally:
    """Counters, gauges and histograms of one process; its size is bounded by the declared labels."""

    def __init__(self, configured: Mapping[str, frozenset[str]] | None = None) -> None:
        """Take the values of the labels that the settings and cards name."""
        self._values = label_values(configured or {})
        self._counters: dict[str, dict[Labels, _Count]] = _empty(Kind.COUNTER)
        self._gauges: dict[str, dict[Labels, _Count]] = _empty(Kind.GAUGE)
        self._histograms: dict[str, dict[Labels, _Histogram]] = {
            name: {} for name, metric in METRICS.items() if metric.kind is Kind.HISTOGRAM
        }

    def count(self, metric: str, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        self._count(metric, labels).add(by)

    def observe(self, metric: str, *labels: str, value: float) -> None:
        """Add a value to a histogram; seconds for durations."""
        self._histogram(metric, labels).add(value)

    def series(self, metric: str, *labels: str) -> Series:
        """Return a series of a counter or a histogram."""
        if metric in self._counters:
            return self._count(metric, labels)
        return self._histogram(metric, labels)

    def show(self, metric: str, *labels: str, value: float) -> None:
        """Set a gauge."""
        known = bound(METRICS[metric], labels, self._values)
        # A truth value would be written as one, and the hub reads numbers.
        self._gauges[metric].setdefault(known, _Count()).value = float(value)

    def snapshot(self) -> Snapshot:
        """Return everything counted so far."""
        return Snapshot(
            counters=tuple(_counts(self._counters)),
            gauges=tuple(_counts(self._gauges)),
            histograms=tuple(
                Distribution(metric, labels, tuple(held.counts), held.total)
                for metric, series in self._histograms.items()
                for labels, held in series.items()
            ),
        )

    def merge(self, snapshot: Snapshot) -> None:
        """Add another process's snapshot; what this release does not know is left out."""
        self.merge_counted(snapshot)
        for each in snapshot.gauges:
            if _fits(each.metric, each.labels, Kind.GAUGE):
                labels = bound(METRICS[each.metric], each.labels, self._values)
                self._gauges[each.metric].setdefault(labels, _Count()).add(each.value)

    def merge_counted(self, snapshot: Snapshot) -> None:
        """Add counters and histograms of a process that has gone; its gauges went with it."""
        for each in snapshot.counters:
            if _fits(each.metric, each.labels, Kind.COUNTER):
                self.count(each.metric, *each.labels, by=each.value)
        for held in snapshot.histograms:
            if _fits(held.metric, held.labels, Kind.HISTOGRAM):
                self._histogram(held.metric, held.labels).merge(held)

    def _count(self, metric: str, labels: Labels) -> "_Count":
        series = self._counters[metric]
        held = series.get(labels)
        if held is None:
            held = series.setdefault(bound(METRICS[metric], labels, self._values), _Count())
        return held

    def _histogram(self, metric: str, labels: Labels) -> "_Histogram":
        series = self._histograms[metric]
        held = series.get(labels)
        if held is None:
            known = bound(METRICS[metric], labels, self._values)
            held = series.setdefault(known, _Histogram(METRICS[metric].buckets))
        return held


class _Count:
    """One number."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, value: float) -> None:
        self.value += value


class _Histogram:
    """Counts by bucket, the last place for what is above all of them."""

    __slots__ = ("buckets", "counts", "total")

    def __init__(self, buckets: tuple[float, ...]) -> None:
        self.buckets = buckets
        self.counts = [0] * (len(buckets) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.buckets, value)] += 1
        self.total += value

    def merge(self, other: Distribution) -> None:
        if len(other.counts) == len(self.counts):
            self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
            self.total += other.total


def _empty(kind: Kind) -> dict[str, dict[Labels, _Count]]:
    return {name: {} for name, metric in METRICS.items() if metric.kind is kind}


def _counts(table: Mapping[str, Mapping[Labels, _Count]]) -> Iterator[Count]:
    for metric, series in table.items():
        for labels, held in series.items():
            yield Count(metric, labels, held.value)


def _fits(name: str, labels: Labels, kind: Kind) -> bool:
    metric = METRICS.get(name)
    return metric is not None and metric.kind is kind and len(metric.labels) == len(labels)


def exposition(snapshot: Snapshot) -> str:
    """Return a snapshot in Prometheus' text format 0.0.4."""
    lines: dict[str, list[str]] = {name: [] for name in METRICS}
    for each in (*snapshot.counters, *snapshot.gauges):
        metric = METRICS[each.metric]
        lines[each.metric].append(_sample(metric.name, metric.labels, each.labels, each.value * metric.scale))
    for held in snapshot.histograms:
        lines[held.metric].extend(_histogram_samples(METRICS[held.metric], held))
    return "".join(_family(METRICS[name], samples) for name, samples in lines.items() if samples)


def _family(metric: Metric, samples: Iterable[str]) -> str:
    name = PREFIX + metric.name
    return f"# HELP {name} {metric.help}\n# TYPE {name} {metric.kind}\n" + "".join(samples)


def _histogram_samples(metric: Metric, held: Distribution) -> Iterator[str]:
    names, below = (*metric.labels, "le"), 0
    for bucket, count in zip((*metric.buckets, float("inf")), held.counts, strict=True):
        below += count
        edge = "+Inf" if bucket == float("inf") else f"{bucket:g}"
        yield _sample(f"{metric.name}_bucket", names, (*held.labels, edge), below)
    yield _sample(f"{metric.name}_sum", metric.labels, held.labels, held.total)
    yield _sample(f"{metric.name}_count", metric.labels, held.labels, below)


def _sample(name: str, names: Labels, values: Labels, value: float) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    shown = f"{{{pairs}}}" if pairs else ""
    return f"{PREFIX}{name}{shown} {_number(value)}\n"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
