"""make bench NAME=watch_product: how often the whole product would act on clean keys, and on thieves.

``bench/watch.py`` measures the evidence engine alone. Here a month of the same generator goes through the
whole ``Watch``: every detection of the shelf, the habits, the links and the combiner. ``--seeds 1`` is a
month for development; ``--seeds 101,102,103,104`` are for the report. ``--every 3`` takes every third of the
clean keys, beside all stolen ones, where a whole month (a quarter of an hour) takes too long: then thefts are
three times as usual, and what comes up on a few keys of the month alone may be missed.

What is counted begins after two weeks. A clean key-day is one on which the owner alone used a key; it counts
once, however often an alert was raised on it. An alert is actionable where a playbook may answer it without a
person. The rehearsal on the past that follows, and may still hold it back, is not part of this: what would
truly be done is at most what is counted here. Beside a rate stands what it may be at most, as few come up.

* **Incidents.** As in the hub every alert opens an incident on its key, or joins the one that stands, and
  the key learns nothing as long as it stands. The product never closes one by itself; here somebody closes it
  ``--hours`` after it was opened (24), so that a false alarm does not keep its key from learning for good.
  An incident that a thief's own request opened or joined is not closed. Nobody shuts the thief out.
* **Phases.** A row shows an exchange at once, as a line of a log does, with what came of it. The gate's
  journal shows first its opening, then its end: ``--halves`` gives each row so, at twice the work.
* **What rows do not show**: bodies, tools, languages, header names, hops, error codes. Detections that look
  at those are silent here, in vain or not.
"""

import argparse
import gc
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import exp, factorial
from pathlib import Path

import numpy as np
import polars as pl
from msgspec.structs import replace

from chatelaine.catalog import detections
from chatelaine.model.detection import Alert, Finding, Phase, Severity, Sighting
from chatelaine.model.event import IncidentChanged, IncidentOpened
from chatelaine.model.incident import IncidentInput, IncidentState
from chatelaine.model.words import NOTHING, SECOND, FindingId, IncidentId, Instant, KeyId
from chatelaine.services.detection import Turn, Watch
from rig import Report, say
from watch_month import CACHE, DAY, FROM, SHIFT, Month, made
from watch_rows import sightings

TURN = 1_000
"""Sightings of one turn."""
TOLD = 1_000_000
ACTIONS_BAR = 0.05
"""Actions on clean keys in 1,000 key-days that a tier which acts by itself may take."""
ENOUGH = 20_000
"""Key-days below which not even one action could be told from the bar; then it is not met."""
NEVER_CLOSED = Instant(2**62)


@dataclass(frozen=True)
class Raised:
    """An alert, the row at which it was raised, and what it says."""

    row: int
    alert: Alert
    told: tuple[Finding, ...]

    @property
    def weighty(self) -> tuple[str, ...]:
        """The detections whose word is high, certain or has a budget behind it: they make an alert."""
        return tuple(
            sorted(
                {
                    f"{one.detection} ({one.family})"
                    for one in self.told
                    if one.severity >= Severity.HIGH or one.certain or one.budgeted
                }
            )
        )


@dataclass
class Desk:
    """The incidents on keys: opened as the hub does it, closed by somebody some hours later."""

    watch: Watch
    hours: float
    standing: dict[KeyId, tuple[IncidentId, Instant]] = field(default_factory=dict)
    """Each key's incident, and when it will be closed."""

    def take(self, alert: Alert, *, stolen: bool) -> None:
        """Let an alert open an incident, or join that of its key."""
        incident, until = self.standing.get(alert.key, (IncidentId(""), Instant(0)))
        if not incident:
            incident = IncidentId(alert.id)
            until = Instant(alert.at + int(self.hours * 3_600) * SECOND)
            opened = IncidentOpened(
                at=alert.at,
                incident=incident,
                alert=alert.id,
                title="",
                severity=alert.severity,
                keys=(alert.key,),
                owners=(alert.owner,),
                contexts=alert.contexts,
                families=alert.families,
                findings=alert.findings,
            )
            self.watch.take(opened, Turn())
        self.standing[alert.key] = incident, NEVER_CLOSED if stolen else until

    def close(self, now: Instant) -> None:
        """Close what has stood long enough."""
        over = [(key, incident) for key, (incident, until) in self.standing.items() if until <= now]
        for key, incident in over:
            del self.standing[key]
            closed = IncidentChanged(
                at=now,
                incident=incident,
                given=IncidentInput.CLOSE,
                before=IncidentState.OPEN,
                after=IncidentState.CLOSED,
                severity=Severity.INFO,
                by="bench",
            )
            self.watch.take(closed, Turn())


class Said:
    """The findings of today and yesterday, which an alert may name."""

    def __init__(self) -> None:
        self.day, self.young, self.old = 0, dict[FindingId, Finding](), dict[FindingId, Finding]()

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings, the latest ever."""
        for one in findings:
            if one.at // (DAY * SECOND) > self.day:
                self.day, self.young, self.old = one.at // (DAY * SECOND), {}, self.young
            self.young[one.id] = one

    def of(self, alert: Alert) -> tuple[Finding, ...]:
        """Return the findings that an alert names."""
        held = [self.young.get(name) or self.old.get(name) for name in alert.findings]
        return tuple(one for one in held if one is not None)


@dataclass
class Run:
    """A month, the keys of it that were watched, and every alert."""

    month: Month
    keys: frozenset[int]
    raised: list[Raised]


def halves(rows: Iterable[Sighting]) -> Iterator[Sighting]:
    """Yield the opening and the end of each row, as a gate's journal tells them."""
    for one in rows:
        yield replace(
            *(one,),
            phase=Phase.OPENED,
            status=0,
            blocked=False,
            output_tokens=0,
            images=0,
            cost=NOTHING,
        )
        yield replace(one, phase=Phase.ENDED)


def watched(month: Month, keys: frozenset[int], *, hours: float, in_halves: bool) -> Run:
    """Let a month go through the whole watch."""
    watch = Watch(detections())
    desk, said, raised, number = Desk(watch, hours), Said(), list[Raised](), 0
    foreign = month.frame["att"].to_numpy() > 0
    rows = sightings(month.path, keys)
    rest = halves(rows) if in_halves else rows
    gc.disable()
    while batch := list(islice(rest, TURN)):
        turn, before = Turn(), 0
        desk.close(batch[0].at)
        for sighting in batch:
            watch.see(sighting, turn)
            if len(turn.findings) == before:
                continue
            said.add(turn.findings[before:])
            before = len(turn.findings)
            # One sighting makes one alert at most.
            if turn.alerts:
                alert, row = turn.alerts.pop(), int(sighting.exchange)
                desk.take(alert, stolen=bool(foreign[row]))
                raised.append(Raised(row, alert, said.of(alert)))
        number += len(batch)
        if number % TOLD == 0:
            say(f"  {month.path.stem}: {number / 1e6:g} M sightings, {len(raised)} alerts")
    gc.enable()
    return Run(month, keys, raised)


Kind = Callable[[Raised], bool]
KINDS: dict[str, Kind] = {
    "alerts": lambda one: True,  # noqa: ARG005 - every alert is one
    "actions": lambda one: one.alert.actionable,
    "certain alerts": lambda one: one.alert.certain,
}


def clean_days(run: Run) -> int:
    """Return how many key-days of the watched keys were clean."""
    return int(np.isin(run.month.key_days // SHIFT, list(run.keys)).sum())


def false(run: Run, kind: Kind) -> dict[int, Raised]:
    """Return the first alert of a kind on each key-day before any theft that has one."""
    found: dict[int, Raised] = {}
    frame = run.month.frame
    for one in run.raised:
        if not kind(one):
            continue
        ts, key = float(frame["ts"][one.row]), int(frame["key"][one.row])
        if not frame["att"][one.row] and FROM <= ts < run.month.first[key]:
            found.setdefault(key * SHIFT + int(ts // DAY), one)
    return found


def caught(run: Run, kind: Kind) -> dict[int, int]:
    """Return for each stolen key that is found by an alert of a kind the thief's requests until then."""
    found: dict[int, int] = {}
    frame = run.month.frame
    for one in run.raised:
        if frame["att"][one.row] and kind(one):
            found.setdefault(int(frame["key"][one.row]), int(frame["nth"][one.row]))
    return found


def misled(run: Run) -> set[int]:
    """Return the stolen keys on which an alert that may be acted upon names a client of the owner's own."""
    found: set[int] = set()
    foreign = run.month.frame["att"]
    for one in run.raised:
        key = int(run.month.frame["key"][one.row])
        if not one.alert.actionable or float(run.month.frame["ts"][one.row]) < run.month.first[key]:
            continue
        by = {said.context: bool(foreign[int(said.exchange)]) for said in one.told}
        if any(not by.get(context, True) for context in one.alert.contexts):
            found.add(key)
    return found


def at_most(count: int) -> float:
    """Return what the mean is below with a confidence of 95 % where so many came up (Poisson): 3 for none."""
    mean = float(count)
    while sum(exp(-mean) * mean**k / factorial(k) for k in range(count + 1)) > 0.05:
        mean += 0.01
    return mean


def judge_clean(report: Report, runs: Sequence[Run]) -> None:
    """Report what was raised on clean keys, and by what."""
    days = sum(clean_days(run) for run in runs)
    report.orient("clean key-days", days)
    for name, kind in KINDS.items():
        per_run = [false(run, kind) for run in runs]
        count = sum(len(one) for one in per_run)
        what, rate = f"{name} on clean keys per 1,000 key-days", 1000 * count / max(1, days)
        if name == "actions":
            enough = rate <= ACTIONS_BAR and days >= ENOUGH
            report.add(what, f"≤ {ACTIONS_BAR} in ≥ {ENOUGH:,} days", rate, met=enough)
        else:
            report.orient(what, rate)
        report.orient(
            f"  {name}: per 1,000 at most, with 95 % confidence", 1000 * at_most(count) / max(1, days)
        )
        report.orient(f"  {name}: key-days that have one", count)
        causes = Counter(cause for one in per_run for cause in causes_of(one.values()))
        for cause, times in causes.most_common():
            report.orient(f"  {name}: {cause}", times)


def causes_of(raised: Collection[Raised]) -> Iterator[str]:
    """Yield for each alert what raised it: its families, and every detection that could."""
    for one in raised:
        yield "families " + " + ".join(one.alert.families)
        yield from (f"by {name}" for name in one.weighty)


def judge_stolen(report: Report, runs: Sequence[Run]) -> None:
    """Report how many thieves are found, how soon, and by what may be acted upon."""
    stolen = sum(len(run.month.truth) for run in runs)
    report.orient("stolen keys", stolen)
    for name, kind in (("an alert", KINDS["alerts"]), ("an actionable alert", KINDS["actions"])):
        requests = [nth for run in runs for nth in caught(run, kind).values()]
        report.orient(f"stolen keys found by {name}", len(requests) / max(1, stolen))
        for within in (1, 10, 100):
            share = sum(nth <= within for nth in requests) / max(1, stolen)
            report.orient(f"  within {within} requests, by {name}", share)
        report.orient(f"  median requests until {name}", float(np.median(requests or [0])))
        report.orient(f"  90 % of these within so many, {name}", float(np.quantile(requests or [0], 0.9)))
    owners = sum(len(misled(run)) for run in runs)
    report.orient("stolen keys where an actionable alert names a client of the owner's", owners)
    families = sorted({str(one["family"]) for run in runs for one in run.month.truth.values()})
    for family in families:
        of = [{key for key, one in run.month.truth.items() if one["family"] == family} for run in runs]
        acted = sum(
            len(keys & caught(run, KINDS["actions"]).keys()) for run, keys in zip(runs, of, strict=True)
        )
        total = sum(len(keys) for keys in of)
        report.orient(f"  {family} ({total} keys) found by an actionable alert", acted / max(1, total))


def tell(run: Run) -> None:
    """Tell each alert on a clean key that may be acted upon, and all that it says."""
    for day, one in false(run, KINDS["actions"]).items():
        kind = run.month.kinds[day // SHIFT]
        say(f"  {run.month.path.stem}: row {one.row}, key {day // SHIFT} ({kind}), day {day % SHIFT}")
        for said in one.told:
            certain = ", certain" if said.certain else ""
            word = f"{said.detection} ({said.family}, {said.severity.name.lower()}{certain})"
            say(f"    {word}: {said.said.seen}; score {said.said.score:.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="1")
    parser.add_argument(
        "--every", type=int, default=1, help="watch every n-th clean key, and all stolen ones"
    )
    parser.add_argument("--keys", default="", help="watch these alone, to look at what was raised on them")
    parser.add_argument("--hours", type=float, default=24, help="until somebody closes an incident")
    parser.add_argument(
        "--halves", action="store_true", help="openings and ends, as the gate's journal has them"
    )
    parser.add_argument("--data", type=Path, default=CACHE, help="where months are kept")
    ask = parser.parse_args()
    report, runs = Report("watch_product"), list[Run]()
    for seed in map(int, ask.seeds.split(",")):
        month = Month(made(seed, 1.0, ask.data))
        used = month.frame.select(pl.col("key").unique()).to_series().to_list()
        few = frozenset(map(int, ask.keys.split(","))) if ask.keys else None
        keys = few or frozenset(key for key in used if key % ask.every == 0 or key in month.truth)
        run = watched(month, keys, hours=ask.hours, in_halves=ask.halves)
        tell(run)
        runs.append(run)
    report.orient("watched: one clean key of so many, and every stolen one", ask.every)
    judge_clean(report, runs)
    judge_stolen(report, runs)
    report.show()


if __name__ == "__main__":
    main()
