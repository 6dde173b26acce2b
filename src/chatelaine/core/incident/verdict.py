"""What humans' verdicts say of detections: how often each was right."""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from chatelaine.core.incident.lifecycle import apply
from chatelaine.model.error import UsageError
from chatelaine.model.incident import (
    Incident,
    IncidentInput,
    IncidentState,
    RuleRecord,
    Verdict,
    VerdictKind,
)
from chatelaine.model.words import DetectionId

_PLACES: Final[Mapping[VerdictKind, str]] = {
    VerdictKind.TRUE_POSITIVE: "true_positives",
    VerdictKind.FALSE_POSITIVE: "false_positives",
    VerdictKind.BENIGN_TRUE_POSITIVE: "benign",
}


def judge(incident: Incident, verdict: Verdict) -> Incident:
    """Return an incident with a human's verdict; an earlier one is kept beside it and holds no more.

    Raises:
        UsageError: nobody gave it, or without a reason.
        TransitionRefused: the incident was merged into another one.
    """
    if not verdict.by.strip():
        raise UsageError("a verdict needs somebody who gives it", hint="--by NAME")
    if not verdict.reason.strip():
        raise UsageError("a verdict needs a reason", hint="--reason 'what you saw'")
    moved = apply(incident, IncidentInput.VERDICT, at=verdict.at, by=verdict.by, reason=verdict.reason)
    return replace(moved, verdicts=(*moved.verdicts, verdict))


def records(incidents: Iterable[Incident]) -> dict[DetectionId, RuleRecord]:
    """Return how each detection fared in the incidents that were judged, by its id.

    Each incident counts once for each detection that was part of it, with its last verdict.
    """
    found: dict[DetectionId, RuleRecord] = {}
    for incident in incidents:
        if not incident.verdicts or incident.state is IncidentState.MERGED:
            continue
        place = _PLACES[incident.verdicts[-1].kind]
        for detection in incident.detections:
            before = found.get(detection, RuleRecord(detection))
            found[detection] = replace(before, **{place: getattr(before, place) + 1})
    return dict(sorted(found.items()))
