"""Find acts against the record, the watch or the limits themselves."""

from typing import Final

from chatelaine.core.detection.memory import Memory, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Said, Severity

_WEAKENED, _JUMPED = "settings.weakened", "clock_jumped"
_UNDONE: Final = frozenset(
    {"broken", "cleared", "deleted", "disabled", "forked", "purge", "removed", "stopped", "truncated"}
)
_EVIDENCE: Final = frozenset({"detection", "detections", "journal", "ledger"})
_GUARDS = frozenset({"budget", "capture", "limit", "limits", "playbook", "policy", "restraint"}) | _EVIDENCE


def judge(action: str, detail: str, jump: float) -> Severity | None:
    """Return how grave an act is; None where it is none of these."""
    subject, _, verb = action.partition(".")
    if action == _WEAKENED:
        names = {name.strip().partition(".")[0] for name in detail.split(",")}
        return Severity.HIGH if names.isdisjoint(_EVIDENCE) else Severity.CRITICAL
    if action == _JUMPED:
        return Severity.MEDIUM if abs(seconds(detail)) >= jump else None
    if subject in _GUARDS and verb in _UNDONE:
        return Severity.CRITICAL if subject in _EVIDENCE else Severity.HIGH
    return None


def seconds(detail: str) -> float:
    """Return the seconds in ``+12.5 s``; 0 where there are none."""
    text = detail.removesuffix("s").strip()
    return float(text) if text.lstrip("+-").replace(".", "", 1).isdecimal() else 0.0


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said of each such act, whoever did it."""
    seen = scene.sighting
    severity = judge(seen.action, seen.detail, card.thresholds["jump_seconds"])
    if severity is None or seen.outcome in {"begun", "refused"}:
        return memory, None
    said = Said(
        seen=f"{seen.action} by {seen.by or 'nobody named'}: {seen.detail or seen.outcome}"[:140],
        usual="record, detections, limits and clock stay as they are while the service runs",
        against="an operator may have meant it: ask who is named",
        severity=severity,
        facts=(("action", seen.action), ("by", seen.by)),
    )
    return tell(memory, seen.at), said
