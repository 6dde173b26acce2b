"""make bench NAME=watch: stolen keys found, and how soon, at set budgets of false alarms; beside four rivals.

Months of 1,200 keys are made with the stolen-key generator (owners are synthetic around real shapes: nobody
has published labelled traffic of stolen AI keys) and kept in build/watch. It takes three minutes a month.
``python bench/watch.py --seeds 101 --drifts 1`` measures fewer.

``python bench/watch.py --month FILE.parquet --alarms OUT.jsonl`` runs one month through the product's engine
and writes alarms; b false alarms per 1,000 key-days are the threshold -log10(b) on their score, in any month.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import log10
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from chatelaine.core.detection.evidence import Engine
from chatelaine.model.detection import Sighting
from rig import Report, say
from watch_month import CACHE, FROM, SHIFT, Alarms, Month, made
from watch_rivals import deviation, elastic, first_request, forest, hours
from watch_rows import sightings
from watch_stable import stable_rate, stable_stolen

BUDGETS = (0.05, 1.0, 5.0, 20.0)
"""False alarms per 1,000 key-days."""
BATCH = 50_000
QUIETEST = -1.6
"""Scores below are no alarm under any of the budgets."""


@dataclass
class Run:
    """One month and the engine's alarms on it."""

    name: str
    drift: float
    alarms: Alarms
    micros: float
    """CPU microseconds a sighting, without the making of sightings."""
    sizes: list[int]
    """Bytes of the state of each key in the end, as JSON."""


def watched(path: Path, *, drift: float = 1.0) -> Run:
    """Run a month through the engine."""
    engine, number, spent = Engine(), 0, 0.0
    found: list[tuple[int, float]] = []
    rest = sightings(path)
    gc.disable()
    while batch := list(islice(rest, BATCH)):
        spent += _weigh(engine, batch, number, found)
        number += len(batch)
        if number % (20 * BATCH) == 0:
            say(f"  {path.stem}: {number / 1e6:g} M sightings, {spent / number * 1e6:.1f} µs each")
    gc.enable()
    sizes = [len(msgspec.json.encode(key.dump())) for key in engine.keys.values()]
    rows = np.array([row for row, _ in found], np.int64)
    scores = np.array([score for _, score in found], np.float64)
    return Run(path.stem, drift, Alarms(Month(path), rows, scores), spent / max(1, number) * 1e6, sizes)


def _weigh(engine: Engine, batch: list[Sighting], number: int, found: list[tuple[int, float]]) -> float:
    """Weigh a batch, adding its alarms; return the CPU seconds."""
    begun = time.process_time()
    for at, sighting in enumerate(batch, number):
        weight = engine.weigh(sighting)
        if weight is not None and weight.score >= QUIETEST:
            found.append((at, weight.score))
    return time.process_time() - begun


def threshold(budget: float) -> float:
    """Return the score from which on a budget raises an alarm: no month moves it."""
    return -log10(budget)


@dataclass
class Tally:
    """What was found of how many, over months."""

    stolen: int = 0
    requests: list[int] = field(default_factory=list)
    minutes: list[float] = field(default_factory=list)
    lost: list[float] = field(default_factory=list)

    def share(self, within: float = float("inf")) -> float:
        """Return the share of stolen keys found, within so many requests of the thief."""
        return sum(n <= within for n in self.requests) / max(1, self.stolen)


def tally(found: Sequence[tuple[Alarms, float]], chosen: Callable[[Month, int], bool] | None = None) -> Tally:
    """Count what alarms found at thresholds, of the stolen keys that are chosen."""
    total = Tally()
    for alarms, limit in found:
        month = alarms.month
        keys = {key for key in month.truth if chosen is None or chosen(month, key)}
        total.stolen += len(keys)
        for one in alarms.found(limit).iter_rows(named=True):
            if one["key"] in keys:
                total.requests.append(one["nth"])
                total.minutes.append(one["minutes"])
                total.lost.append(one["lost"])
    return total


def false_rate(runs: Sequence[Run], budget: float) -> float:
    """Return the realised false alarms per 1,000 key-days of all months together."""
    days = sum(len(run.alarms.month.key_days) for run in runs)
    false = sum(int((run.alarms.false["score"] >= threshold(budget)).sum()) for run in runs)
    return 1000 * false / max(1, days)


def blocked(runs: Sequence[Run], budget: float) -> float:
    """Return the owners' requests from falsely alarmed sources within a day, for each theft that is found."""
    cost, found = 0, 0
    for run in runs:
        frame, alarms = run.alarms.month.frame, run.alarms
        found += len(alarms.found(threshold(budget)))
        events = alarms.events
        own = events.filter(
            (events["att"] == 0) & (events["score"] >= threshold(budget)) & (events["ts"] >= FROM)
        )
        for one in own.unique("key").iter_rows(named=True):
            later = frame.filter((frame["key"] == one["key"]) & (frame["att"] == 0))
            later = later.filter((later["ts"] >= one["ts"]) & (later["ts"] < one["ts"] + 86_400))
            cost += len(later.filter((later["ja4"] == one["ja4"]) & (later["hdr"] == one["hdr"])))
    return cost / max(1, found)


RIVALS = (
    "Elastic, 500 calls an hour",
    "deviation from the key's past",
    "isolation forest",
    "first request, Freeman",
)


def rivals(runs: Sequence[Run]) -> dict[str, list[Alarms]]:
    """Return every rival's alarms on these months."""
    found: dict[str, list[Alarms]] = {name: [] for name in RIVALS}
    for run in runs:
        say(f"  rivals on {run.name}")
        month, table = run.alarms.month, hours(run.alarms.month)
        made_by = (elastic(month, table), deviation(month, table), forest(month, table), first_request(month))
        for name, alarms in zip(RIVALS, made_by, strict=True):
            found[name].append(alarms)
    return found


def judge_detection(report: Report, runs: Sequence[Run]) -> None:
    """Report what is found at each budget."""
    bars = {0.05: 0.40, 1.0: 0.80, 5.0: 0.88}
    for budget in BUDGETS:
        limits = [(run.alarms, threshold(budget)) for run in runs]
        total = tally(limits)
        name = f"at {budget:g} per 1,000 key-days"
        bar = bars.get(budget)
        if bar is None:
            report.orient(f"found {name}", total.share())
        else:
            report.add(f"found {name}", f"≥ {bar:.0%}", total.share(), met=total.share() >= bar)
        for within in (1, 10, 100, 1000):
            report.orient(f"  within {within} requests, at {budget:g}", total.share(within))
        costs = (
            ("median requests until found", np.median(total.requests or [0])),
            ("median minutes until found", np.median(total.minutes or [0])),
            ("median dollars lost until found", np.median(total.lost or [0])),
            ("90 % lost fewer dollars than", np.quantile(total.lost or [0], 0.9)),
            ("owners' requests blocked for each theft found", blocked(runs, budget)),
        )
        for what, measured in costs:
            report.orient(f"  {what}, at {budget:g}", float(measured))


def judge_families(report: Report, runs: Sequence[Run]) -> None:
    """Report what is found of each family of attack."""

    def of(*names: str) -> Callable[[Month, int], bool]:
        return lambda month, key: month.truth[key]["family"] in names

    families = sorted({str(one["family"]) for run in runs for one in run.alarms.month.truth.values()})
    for budget in BUDGETS[:3]:
        limits = [(run.alarms, threshold(budget)) for run in runs]
        for family in families:
            total = tally(limits, of(family))
            bar = {("imitate", 1.0): 0.30, ("probe_only", 1.0): 0.75}.get((family, budget))
            what = f"{family} found at {budget:g}"
            if bar is None:
                report.orient(what, total.share())
            else:
                report.add(what, f"≥ {bar:.0%}", total.share(), met=total.share() >= bar)
    rest = tally([(run.alarms, threshold(1)) for run in runs], of(*(f for f in families if f != "imitate")))
    report.add("all but imitate found at 1", "≥ 88%", rest.share(), met=rest.share() >= 0.88)
    report.add("all but imitate within 10 requests at 1", "≥ 75%", rest.share(10), met=rest.share(10) >= 0.75)


def judge_stable(report: Report, runs: Sequence[Run]) -> None:
    """Report what is found of imitators on stable egress, and what that costs in false alarms there."""
    still = {run.alarms.month.path: stable_stolen(run.alarms.month) for run in runs}
    limits = [(run.alarms, threshold(5)) for run in runs]
    chosen = tally(
        limits, lambda month, key: month.truth[key]["family"] == "imitate" and key in still[month.path]
    )
    false, days = stable_rate([run.alarms for run in runs], threshold(5))
    quiet = false <= 5
    report.add(
        f"imitate found at 5 on stable egress ({chosen.stolen} keys)",
        "≥ 60%, and the next",
        chosen.share(),
        met=chosen.share() >= 0.6 and quiet,
    )
    report.add(f"false alarms per 1,000 of those at 5 ({days} key-days)", "≤ 5", false, met=quiet)


def judge_fidelity(report: Report, runs: Sequence[Run]) -> None:
    """Report realised against set budgets, by drift, by kind of owner and by history."""
    for drift in sorted({run.drift for run in runs}):
        same = [run for run in runs if run.drift == drift]
        most = 1.3 if drift <= 1 else 1.5
        for budget in BUDGETS:
            share = false_rate(same, budget) / budget
            what = f"false alarms, realised / set, budget {budget:g}, drift {drift:g}"
            if budget < 1:
                report.orient(what, share)
            else:
                report.add(what, f"≤ {most:g}", share, met=share <= most)
    plain = [run for run in runs if run.drift == 1] or list(runs)
    for title, classes in (("owner", kinds_of(plain)), ("days of history", histories_of(plain))):
        for name in sorted(classes):
            days, false = classes[name]
            report.orient(
                f"false alarms per 1,000 at 1, {title} {name} ({days} key-days)", 1000 * false / max(1, days)
            )


def kinds_of(runs: Sequence[Run]) -> dict[str, tuple[int, int]]:
    """Return key-days and false alarms at budget 1 by kind of owner."""
    return split(runs, lambda month, key: month.kinds[key])


def histories_of(runs: Sequence[Run]) -> dict[str, tuple[int, int]]:
    """Return key-days and false alarms at budget 1 by how many days of the warm-up a key was used on."""
    return split(
        runs, lambda month, key: "0-3" if (d := month.days_lived[key]) < 4 else "4-9" if d < 10 else "≥10"
    )


def split(runs: Sequence[Run], name: Callable[[Month, int], str]) -> dict[str, tuple[int, int]]:
    """Return key-days and false alarms at budget 1 by a property of the key."""
    counts: dict[str, tuple[int, int]] = {}
    for run in runs:
        month, false = run.alarms.month, run.alarms.false
        alarmed = set(false.filter(pl.col("score") >= threshold(1))["day"].to_list())
        for day in month.key_days.tolist():
            of = name(month, day // SHIFT)
            days, hits = counts.get(of, (0, 0))
            counts[of] = days + 1, hits + (day in alarmed)
    return counts


def judge_rivals(report: Report, runs: Sequence[Run]) -> None:
    """Report what rivals find at as many false alarms as the engine made, and at least one in 1,000."""
    ours = tally([(run.alarms, threshold(1)) for run in runs]).share()
    for name, months in rivals(runs).items():
        allowed = [max(run.alarms.false_rate(threshold(1)), 1.0) for run in runs]
        theirs = tally(
            [(one, one.threshold(most)) for one, most in zip(months, allowed, strict=True)]
        ).share()
        report.orient(f"{name}: found at equal false alarms", theirs)
        report.add(f"ours / {name}", "≥ 2", ours / max(theirs, 0.01), met=ours >= 2 * theirs)
        if name == RIVALS[0]:
            false = sum(len(one.false) for one in months)
            days = sum(len(one.month.key_days) for one in months)
            report.orient(f"{name}: found as it is", tally([(one, 0.5) for one in months]).share())
            report.orient(f"{name}: its false alarms per 1,000", 1000 * false / days)


def alarms_of(path: Path, out: Path) -> None:
    """Write the alarms of one month."""
    run = watched(path)
    with out.open("w") as file:
        for row, score in zip(run.alarms.rows.tolist(), run.alarms.scores.tolist(), strict=True):
            file.write(json.dumps({"row": row, "score": round(score, 4)}) + "\n")
    say(f"  {len(run.alarms.rows)} alarms; {run.micros:.1f} CPU µs a sighting")


def main() -> None:
    """Measure and print, or write the alarms of one month."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--month", type=Path)
    parser.add_argument("--alarms", type=Path)
    parser.add_argument("--seeds", default="101,102,103,104")
    parser.add_argument("--drifts", default="1,3,0.3")
    parser.add_argument("--data", type=Path, default=CACHE, help="where months are kept")
    ask = parser.parse_args()
    if ask.month:
        alarms_of(ask.month, ask.alarms)
        return
    report, runs = Report("watch"), []
    for drift in map(float, ask.drifts.split(",")):
        for seed in ask.seeds.split(","):
            path = made(int(seed), drift, ask.data)
            runs.append(watched(path, drift=drift))
    plain = [run for run in runs if run.drift == 1] or runs
    judge_detection(report, plain)
    judge_families(report, plain)
    judge_stable(report, plain)
    judge_fidelity(report, runs)
    judge_rivals(report, plain)
    report.add(
        "CPU µs a sighting", "≤ 15", max(run.micros for run in runs), met=max(r.micros for r in runs) <= 15
    )
    report.show()


if __name__ == "__main__":
    main()
