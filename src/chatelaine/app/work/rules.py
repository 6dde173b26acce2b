"""Behind ``chatelaine rules``: the shelf, its vectors, the recorded past, and what people said."""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches

from msgspec.structs import replace

from chatelaine import catalog
from chatelaine.adapters.journal import read_segments, workers
from chatelaine.adapters.sqlite import read_findings, read_incidents
from chatelaine.app.wire import CLOCK, Places, read_settings
from chatelaine.core.detection.run import Detection
from chatelaine.core.detection.tune import suggest
from chatelaine.core.incident.verdict import records
from chatelaine.model.detection import Alert, Finding
from chatelaine.model.error import JournalError, UsageError
from chatelaine.model.event import Event
from chatelaine.model.incident import RuleRecord, VerdictKind
from chatelaine.model.rule import Backtest, RuleLine, Suggestion, Trial
from chatelaine.model.words import DetectionId, Instant, PlaybookId
from chatelaine.services.detection import Turn, Watch
from chatelaine.surfaces.cli.options import Chosen

_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Shelf:
    """Works on the shelf of detections of one installation."""

    places: Places
    detections: tuple[Detection, ...]

    def lines(self) -> tuple[RuleLine, ...]:
        """Return every detection with its record."""
        told = records(read_incidents(self.places.incidents))
        return tuple(
            RuleLine(one.card, told.get(one.card.id, RuleRecord(one.card.id))) for one in self.detections
        )

    def test(self, name: str) -> Trial:
        """Put a detection, or a playbook, to its own vectors.

        Raises:
            UsageError: there is no such item.
        """
        playbook = catalog.playbooks().get(PlaybookId(name))
        shelf = "detections" if playbook is None else "playbooks"
        item = catalog.shelf(shelf).joinpath(name)
        found = (
            catalog.try_detection(self._one(name), item)
            if playbook is None
            else catalog.try_playbook(playbook, item)
        )
        faults = tuple((fault.where, fault.message) for fault in found)
        return Trial(f"{shelf}/{name}", len(catalog.vectors(item)), faults)

    def backtest(self, name: str, *, since: timedelta | Instant, thresholds: Mapping[str, float]) -> Backtest:
        """Run a detection, with other thresholds where given, over what was recorded.

        Raises:
            UsageError: there is no such detection, or no such threshold.
        """
        chosen = self._with(name, thresholds)
        begin = _instant(since)
        faults: list[JournalError] = []
        others = [one for one in self._detections().values() if one.card.id != chosen.card.id]
        watch = Watch([*others, chosen])
        seen = events = 0
        found: list[Finding] = []
        other_keys: set[str] = set()
        alerts: list[Alert] = []
        for event in self._events(faults):
            events += 1
            seen += event.at >= begin
            turn = Turn()
            watch.take(event, turn)
            if event.at < begin:
                continue
            found += [one for one in turn.findings if one.detection == chosen.card.id]
            other_keys.update(one.key for one in turn.findings if one.detection != chosen.card.id)
            alerts += turn.alerts
        ours = {one.id for one in found}
        keys = Counter(one.key for one in found)
        return Backtest(
            detection=chosen.card.id,
            thresholds=chosen.card.thresholds,
            since=begin,
            events=events,
            events_since=seen,
            found=len(found),
            keys=tuple(keys.most_common()),
            alerts=sum(not ours.isdisjoint(alert.findings) for alert in alerts),
            alone=len(keys.keys() - other_keys),
            examples=tuple((one.at, one.key, one.exchange, one.said.seen) for one in found[:_EXAMPLES]),
            faults=tuple(fault.message for fault in faults),
        )

    def tune(self, name: str) -> tuple[Suggestion, ...]:
        """Return thresholds that people's verdicts speak for.

        Raises:
            UsageError: there is no such detection.
        """
        card = self._one(name).card
        judged = {
            finding: incident.verdicts[-1].kind
            for incident in read_incidents(self.places.incidents)
            if incident.verdicts
            for finding in incident.findings
        }
        told = [
            (finding, judged[finding.id] is VerdictKind.TRUE_POSITIVE)
            for finding in read_findings(self.places.incidents, card.id)
            if judged.get(finding.id, VerdictKind.BENIGN_TRUE_POSITIVE)
            is not VerdictKind.BENIGN_TRUE_POSITIVE
        ]
        return suggest(card, told)

    def _detections(self) -> dict[DetectionId, Detection]:
        return {one.card.id: one for one in self.detections}

    def _one(self, name: str) -> Detection:
        found = self._detections().get(DetectionId(name))
        if found is None:
            raise self._unknown(name)
        return found

    def _with(self, name: str, thresholds: Mapping[str, float]) -> Detection:
        one = self._one(name)
        unknown = thresholds.keys() - one.card.thresholds.keys()
        if unknown:
            known = ", ".join(one.card.thresholds) or "none"
            raise UsageError(f"{name} has no threshold {min(unknown)!r}", hint=f"it has {known}")
        card = replace(one.card, enabled=True, thresholds={**one.card.thresholds, **thresholds})
        return Detection(card, one.detect)

    def _unknown(self, name: str) -> UsageError:
        close = get_close_matches(name, self._detections(), 1)
        hint = f"did you mean {close[0]}?" if close else "chatelaine rules list shows them"
        return UsageError(f"there is no detection {name!r}", hint=hint)

    def _events(self, faults: list[JournalError]) -> Iterator[Event]:
        directory = self.places.journal
        streams = (
            (event for _, event in read_segments(directory, worker, on_fault=faults.append))
            for worker in workers(directory)
        )
        return heapq.merge(*streams, key=lambda event: event.at)


def _instant(since: timedelta | Instant) -> Instant:
    if isinstance(since, timedelta):
        return Instant(CLOCK.now() - since // timedelta(microseconds=1) * 1000)
    return since


def begin(chosen: Chosen) -> Shelf:
    """Return what the command works with."""
    settings = read_settings(chosen.path, chosen.overrides)
    return Shelf(Places(settings.storage.directory.resolve()), catalog.detections())
