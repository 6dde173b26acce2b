"""Findings of a key become alerts: one that may act alone, or two families that agree on the same client.

Families on different client contexts do not add up: a new network here and a new model there are two
clients, not one. A finding without a context counts for the key, and so for each of its contexts.

People are told of any two families. What runs by itself needs one among them that speaks of what is done:
a network and a program that are both new are one fact, not two, where an owner has a new machine.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from msgspec import Struct

from chatelaine.model.detection import Alert, Family, Finding, Severity, Sighting
from chatelaine.model.incident import Found
from chatelaine.model.words import SECOND, AlertId, ContextId, DetectionId, FindingId, Instant

_AGREEING: Final = 2
_DOING: Final = frozenset({Family.BEHAVIOUR, Family.ECONOMICS, Family.CONTENT})
"""Families that speak of what a client does; the others, of who it is."""
_CONVINCING: Final = 3
"""Families that agree, so that the severity is raised by one."""
_MOST_NOTED: Final = 256
"""Findings that one window holds; beyond it the least severe gives way, the oldest of those first."""
_MOST_WINDOWS: Final = 100_000
_DIGITS: Final = 24

Subject = tuple[str, str]
"""What findings are about: a key; or, where no key is known, a client context."""


class Rules(Struct, frozen=True, kw_only=True):
    """How findings are combined."""

    window_seconds: int = 86_400
    """How far apart findings may be and still belong together."""
    repeat_seconds: int = 900
    """Within this span a detection's word on the same key and context is a repetition."""
    playbooks: Mapping[DetectionId, str] = {}
    """The playbook that each detection's card names."""


class Noted(Struct, frozen=True, array_like=True, gc=False):
    """What a window keeps of a finding."""

    id: FindingId
    at: Instant
    detection: DetectionId
    context: ContextId
    family: Family
    severity: Severity
    certain: bool


class Told(Struct, frozen=True, array_like=True):
    """What the last alert of a window said."""

    at: Instant
    contexts: tuple[ContextId, ...]
    families: tuple[Family, ...]
    severity: Severity
    certain: bool
    acting: tuple[ContextId, ...] = ()
    """The contexts on which there was enough to act; "" for the key as a whole."""


class Window(Struct, frozen=True, array_like=True):
    """The findings of one subject that may still belong together, and what was made of them."""

    noted: tuple[Noted, ...] = ()
    """In the order in which they came."""
    told: Told | None = None


class Combined(NamedTuple):
    """What a finding makes of its window."""

    window: Window
    alert: Alert | None
    """Where it tells more than the alert before: another client, another family, a higher severity."""
    repeated: bool
    """Whether the same was found a moment ago: then nothing changes."""
    alerted: bool
    """Whether an alert stands that the finding belongs to: this one, or an earlier one."""


def subject_of(finding: Finding) -> Subject:
    """Return what a finding is about."""
    return (finding.key, "") if finding.key else ("", finding.context)


def step(window: Window, finding: Finding, rules: Rules) -> Combined:
    """Return the window with one more finding of its subject, and the alert that this makes."""
    kept = _within(window, finding.at, rules)
    if any(_repeats(one, finding, rules) for one in kept.noted):
        return Combined(kept, None, repeated=True, alerted=_belongs(kept.told, finding))
    noted = _bounded((*kept.noted, _note(finding)))
    groups = tuple(_agreements(noted))
    if not groups:
        return Combined(Window(noted, kept.told), None, repeated=False, alerted=_belongs(kept.told, finding))
    told = _sum(groups, max(finding.at, kept.told.at if kept.told is not None else finding.at))
    if kept.told is not None and _adds_nothing(kept.told, told):
        return Combined(Window(noted, kept.told), None, repeated=False, alerted=_belongs(kept.told, finding))
    alert = _alert(groups, finding, rules)
    return Combined(Window(noted, told), alert, repeated=False, alerted=_belongs(told, finding))


def _within(window: Window, at: Instant, rules: Rules) -> Window:
    newest = max((at, *(one.at for one in window.noted)))
    oldest = newest - rules.window_seconds * SECOND
    told = window.told if window.told is not None and window.told.at >= oldest else None
    return Window(tuple(one for one in window.noted if one.at >= oldest), told)


def _repeats(one: Noted, finding: Finding, rules: Rules) -> bool:
    if one.id == finding.id:
        return True
    alike = one.detection == finding.detection and one.context == finding.context
    near = abs(finding.at - one.at) < rules.repeat_seconds * SECOND
    return alike and near and one.severity >= finding.severity and one.certain >= finding.certain


def _note(finding: Finding) -> Noted:
    return Noted(
        finding.id,
        finding.at,
        finding.detection,
        finding.context,
        finding.family,
        finding.severity,
        finding.certain,
    )


def _bounded(noted: tuple[Noted, ...]) -> tuple[Noted, ...]:
    if len(noted) <= _MOST_NOTED:
        return noted
    least = min(noted, key=lambda one: (one.certain, one.severity, one.at))
    return tuple(one for one in noted if one is not least)


class _Agreement(NamedTuple):
    context: ContextId
    """"" where the findings are about the key as a whole."""
    noted: tuple[Noted, ...]
    families: frozenset[Family]
    certain: bool


def _agreements(noted: tuple[Noted, ...]) -> Iterator[_Agreement]:
    """Yield each context on which there is enough, in the order of their first findings, and the key last."""
    contexts = tuple(dict.fromkeys(one.context for one in noted if one.context))
    for context in (*contexts, ContextId("")):
        about = tuple(one for one in noted if one.context in {context, ""})
        families = frozenset(one.family for one in about)
        certain = any(one.certain and one.context == context for one in about)
        if certain or len(families) >= _AGREEING:
            yield _Agreement(context, about, families, certain)


def _sum(groups: tuple[_Agreement, ...], at: Instant) -> Told:
    families = frozenset[Family]().union(*(group.families for group in groups))
    return Told(
        at=at,
        contexts=tuple(group.context for group in groups if group.context),
        families=tuple(family for family in Family if family in families),
        severity=max(_severity(group) for group in groups),
        certain=any(group.certain for group in groups),
        acting=tuple(group.context for group in groups if _acts(group)),
    )


def _severity(group: _Agreement) -> Severity:
    most = max(one.severity for one in group.noted)
    raised = most + (len(group.families) >= _CONVINCING)
    return Severity(min(raised, Severity.CRITICAL))


def _acts(group: _Agreement) -> bool:
    agreeing = len(group.families) >= _AGREEING and not _DOING.isdisjoint(group.families)
    return group.certain or agreeing


def _adds_nothing(before: Told, after: Told) -> bool:
    return (
        set(after.contexts) <= set(before.contexts)
        and set(after.families) <= set(before.families)
        and after.severity <= before.severity
        and after.certain <= before.certain
        and set(after.acting) <= set(before.acting)
    )


def _belongs(told: Told | None, finding: Finding) -> bool:
    if told is None:
        return False
    return not finding.context or not told.contexts or finding.context in told.contexts


def _alert(groups: tuple[_Agreement, ...], finding: Finding, rules: Rules) -> Alert:
    """Return the alert that a finding makes: of what may be acted upon where it is about that, else of all."""
    acting = tuple(group for group in groups if _acts(group))
    actionable = any(group.context in {finding.context, ""} or not finding.context for group in acting)
    chosen = acting if actionable else groups
    told = _sum(chosen, finding.at)
    noted = {one.id: one for group in chosen for one in group.noted}
    worst_first = sorted(noted.values(), key=lambda one: (-one.severity, one.at, one.id))
    named = (rules.playbooks.get(one.detection, "") for one in worst_first)
    return Alert(
        id=AlertId(sha256(f"alert|{finding.key}|{finding.id}".encode()).hexdigest()[:_DIGITS]),
        at=finding.at,
        key=finding.key,
        owner=finding.owner,
        contexts=told.contexts,
        severity=told.severity,
        families=told.families,
        certain=told.certain,
        actionable=actionable,
        findings=tuple(one.id for one in sorted(noted.values(), key=lambda one: (one.at, one.id))),
        playbooks=tuple(dict.fromkeys(name for name in named if name)),
    )


class Combiner:
    """Holds the windows of all subjects."""

    __slots__ = ("_rules", "_windows")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._windows: dict[Subject, Window] = {}

    def take(self, finding: Finding) -> Combined:
        """Return what a finding makes of its subject's window, which is held."""
        subject = subject_of(finding)
        combined = step(self._windows.pop(subject, Window()), finding, self._rules)
        # Put last, so that the first one is that which was silent longest.
        self._windows[subject] = combined.window
        if len(self._windows) > _MOST_WINDOWS:
            del self._windows[next(iter(self._windows))]
        return combined

    def gather(self, findings: Sequence[Finding], sightings: Sequence[Sighting] = ()) -> Found:
        """Return what a turn of the engine found, with the alerts that its findings make."""
        combined = [(finding, self.take(finding)) for finding in findings]
        return Found(
            findings=tuple(findings),
            alerts=tuple(one.alert for _, one in combined if one.alert is not None),
            joined=tuple(
                finding for finding, one in combined if one.alerted and one.alert is None and not one.repeated
            ),
            sightings=tuple(sightings),
        )

    def dump(self) -> list[tuple[str, str, Window]]:
        """Return every window with its subject, the one that was silent longest first."""
        return [(key, context, window) for (key, context), window in self._windows.items()]

    def load(self, kept: Iterable[tuple[str, str, Window]]) -> None:
        """Take over what was dumped."""
        self._windows = {(key, context): window for key, context, window in kept}
