"""Detections as people govern them: list, test, backtest and tune: ``chatelaine rules``."""

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from math import isfinite
from typing import Protocol

from chatelaine.model.rule import Backtest, RuleLine, Suggestion, Trial
from chatelaine.model.words import Instant
from chatelaine.surfaces.cli.key_views import Json
from chatelaine.surfaces.cli.options import add_json, show, table
from chatelaine.surfaces.cli.values import iso, since

_MONTH = timedelta(days=30)


class RuleWork(Protocol):
    """What the command asks of the application."""

    def lines(self) -> Sequence[RuleLine]:
        """Return every detection with its record."""
        ...

    def test(self, name: str) -> Trial:
        """Put a detection, or a playbook, to its own vectors."""
        ...

    def backtest(self, name: str, *, since: timedelta | Instant, thresholds: Mapping[str, float]) -> Backtest:
        """Run a detection over what was recorded."""
        ...

    def tune(self, name: str) -> Sequence[Suggestion]:
        """Return thresholds that people's verdicts speak for."""
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add_json(verbs.add_parser("list", help="list every detection with its precision by people's verdicts"))
    tried = verbs.add_parser("test", help="put a detection or a playbook to its own vectors")
    _about(tried)
    replayed = verbs.add_parser("backtest", help="run a detection over what was recorded")
    _about(replayed)
    replayed.add_argument(
        "--since", type=since, default=_MONTH, metavar="WHEN", help="7d, 1h, or 2026-01-31T12:00Z (30d)"
    )
    replayed.add_argument(
        "--threshold",
        action="append",
        default=[],
        type=_threshold,
        metavar="NAME=VALUE",
        help="with another threshold than its card's; repeat it for more",
    )
    _about(verbs.add_parser("tune", help="suggest thresholds from people's verdicts"))


def _about(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rule", metavar="ID", help="the item's id")
    add_json(parser)


def _threshold(text: str) -> tuple[str, float]:
    name, equals, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not equals or not name or not isfinite(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE with a number, such as times=5")
    return name, number


def run(arguments: argparse.Namespace, work: RuleWork) -> int:
    """Carry the command out."""
    verbs = {"list": _list, "test": _test, "backtest": _backtest, "tune": _tune}
    told, text, status = verbs[arguments.verb](arguments, work)
    show(json.dumps(told, indent=2) + "\n" if arguments.json else text)
    return status


Shown = tuple[Json, str, int]


def _list(_: argparse.Namespace, work: RuleWork) -> Shown:
    lines = work.lines()
    rows = (
        (
            line.card.id,
            line.card.family.value,
            line.card.severity.name.lower(),
            "yes" if line.card.certain else "no",
            "on" if line.card.enabled else "off",
            _percent(line.record.precision),
            str(line.record.true_positives),
            str(line.record.false_positives),
            str(line.record.benign),
            line.card.title,
        )
        for line in lines
    )
    heads = ("rule", "family", "severity", "alone", "", "precision", "true", "false", "benign", "what")
    return {"rules": [_line_json(line) for line in lines]}, table(heads, rows), 0


def _line_json(line: RuleLine) -> Json:
    card, record = line.card, line.record
    return {
        "id": card.id,
        "version": card.version,
        "title": card.title,
        "family": card.family.value,
        "severity": card.severity.name.lower(),
        "certain": card.certain,
        "enabled": card.enabled,
        "covers": list(card.covers),
        "thresholds": dict(card.thresholds),
        "playbook": card.playbook,
        "precision": record.precision,
        "true_positives": record.true_positives,
        "false_positives": record.false_positives,
        "benign": record.benign,
    }


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _test(arguments: argparse.Namespace, work: RuleWork) -> Shown:
    trial = work.test(arguments.rule)
    faults: list[Json] = [{"where": where, "what": what} for where, what in trial.faults]
    told: Json = {"item": trial.item, "vectors": trial.vectors, "faults": faults}
    lines = [f"{where}: {what}\n" for where, what in trial.faults]
    lines.append(f"{trial.item}: {trial.vectors} vectors, {len(trial.faults)} faults\n")
    return told, "".join(lines), 1 if trial.faults else 0


def _backtest(arguments: argparse.Namespace, work: RuleWork) -> Shown:
    found = work.backtest(arguments.rule, since=arguments.since, thresholds=dict(arguments.threshold))
    told: Json = {
        "id": found.detection,
        "thresholds": dict(found.thresholds),
        "since": iso(found.since),
        "events": found.events,
        "events_since": found.events_since,
        "findings": found.found,
        "keys": [{"key": key or None, "findings": count} for key, count in found.keys],
        "alerts": found.alerts,
        "keys_alone": found.alone,
        "examples": [
            {"at": iso(at), "key": key or None, "exchange": exchange or None, "seen": seen}
            for at, key, exchange, seen in found.examples
        ],
        "damaged": list(found.faults),
    }
    return told, _backtest_text(found), 1 if found.found else 0


def _backtest_text(found: Backtest) -> str:
    limits = ", ".join(f"{name}={value:g}" for name, value in found.thresholds.items()) or "none"
    lines = [
        f"{found.detection} since {iso(found.since)} (thresholds: {limits})\n",
        f"  {found.found} findings on {len(found.keys)} keys in {found.events_since} events\n",
        f"  part of {found.alerts} alerts; alone on {found.alone} keys\n",
    ]
    lines += [
        f"  {iso(at)}  {key or '-':<9}  {seen}  {exchange}\n" for at, key, exchange, seen in found.examples
    ]
    lines += [f"  not all could be read: {fault}\n" for fault in found.faults]
    return "".join(lines)


def _tune(arguments: argparse.Namespace, work: RuleWork) -> Shown:
    found = work.tune(arguments.rule)
    told: Json = {"id": arguments.rule, "suggestions": [_suggestion_json(one) for one in found]}
    rows = (
        (
            one.threshold,
            f"{one.now:g}",
            "-" if one.proposed is None else f"{one.proposed:g}",
            one.why,
        )
        for one in found
    )
    text = table(("threshold", "now", "proposed", "why"), rows) if found else "it has no threshold\n"
    return told, text, 0


def _suggestion_json(one: Suggestion) -> Json:
    return {
        "threshold": one.threshold,
        "now": one.now,
        "proposed": one.proposed,
        "true_kept": one.true_kept,
        "true_all": one.true_all,
        "false_dropped": one.false_dropped,
        "false_all": one.false_all,
        "why": one.why,
    }
