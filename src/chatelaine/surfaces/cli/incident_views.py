"""How incidents and actions are shown: as JSON whose names stay, and as text for people."""

from collections.abc import Iterator, Sequence

from chatelaine.model.desk import ActionsTold, IncidentsTold, IncidentTold
from chatelaine.model.detection import Alert, Finding
from chatelaine.model.incident import Incident, Money, Story, Summary, TimelineEntry
from chatelaine.model.link import Reply
from chatelaine.model.playbook import Action, Rehearsal, Wanted
from chatelaine.surfaces.cli.key_views import Json
from chatelaine.surfaces.cli.options import table
from chatelaine.surfaces.cli.values import iso

_NANO = 1_000_000_000
_FEW = 3


def reply_json(reply: Reply) -> Json:
    """Return a reply as the command line's JSON."""
    if isinstance(reply, IncidentsTold):
        return {"incidents": [_summary_json(one) for one in reply.incidents]}
    if isinstance(reply, IncidentTold):
        return _story_json(reply.story)
    if isinstance(reply, ActionsTold):
        return {"actions": [_action_json(one) for one in reply.actions], "tokens": list(reply.tokens)}
    return {}


def _summary_json(one: Summary) -> dict[str, Json]:
    return {
        "id": one.id,
        "state": one.state.value,
        "severity": one.severity.name.lower(),
        "title": one.title,
        "opened_at": iso(one.opened_at),
        "updated_at": iso(one.updated_at),
        "keys": list(one.keys),
        "key_count": one.key_count,
        "owners": list(one.owners),
        "findings": one.found,
        "money": _money_json(one.money),
        "assignee": one.assignee,
        "verdict": one.verdict.value if one.verdict is not None else None,
    }


def _money_json(money: Money) -> dict[str, Json]:
    return {
        "spent_usd": money.spent / _NANO,
        "at_risk_usd": money.at_risk / _NANO,
        "avoided_usd": money.avoided / _NANO,
    }


def _story_json(story: Story) -> dict[str, Json]:
    one = story.incident
    return {
        "id": one.id,
        "state": one.state.value,
        "severity": one.severity.name.lower(),
        "title": one.title,
        "opened_at": iso(one.opened_at),
        "updated_at": iso(one.updated_at),
        "first_at": iso(one.first_at),
        "keys": list(one.keys),
        "owners": list(one.owners),
        "contexts": list(one.contexts),
        "prefixes": list(one.prefixes),
        "families": [family.value for family in one.families],
        "detections": list(one.detections),
        "found": one.found,
        "money": _money_json(one.money),
        "assignee": one.assignee,
        "merged_into": one.merged_into or None,
        "verdicts": [
            {"verdict": each.kind.value, "reason": each.reason, "by": each.by, "at": iso(each.at)}
            for each in one.verdicts
        ],
        "notes": [{"at": iso(note.at), "by": note.by, "text": note.text} for note in one.notes],
        "timeline": [_entry_json(entry) for entry in story.timeline],
        "alerts": [_alert_json(alert) for alert in story.alerts],
        "findings": [_finding_json(finding) for finding in story.findings],
        "actions": [_action_json(action) for action in story.actions],
    }


def _entry_json(entry: TimelineEntry) -> Json:
    return {
        "at": iso(entry.at),
        "kind": entry.kind.value,
        "text": entry.text,
        "by": entry.by,
        "exchange": entry.exchange or None,
        "key": entry.key or None,
        "context": entry.context or None,
        "about": entry.about or None,
    }


def _alert_json(alert: Alert) -> Json:
    return {
        "id": alert.id,
        "at": iso(alert.at),
        "key": alert.key or None,
        "owner": alert.owner,
        "contexts": list(alert.contexts),
        "severity": alert.severity.name.lower(),
        "families": [family.value for family in alert.families],
        "certain": alert.certain,
        "actionable": alert.actionable,
        "findings": list(alert.findings),
        "playbooks": list(alert.playbooks),
    }


def _finding_json(finding: Finding) -> Json:
    said = finding.said
    return {
        "id": finding.id,
        "detection": finding.detection,
        "version": finding.version,
        "at": iso(finding.at),
        "exchange": finding.exchange or None,
        "key": finding.key or None,
        "context": finding.context or None,
        "prefix": finding.prefix,
        "family": finding.family.value,
        "severity": finding.severity.name.lower(),
        "certain": finding.certain,
        "seen": said.seen,
        "usual": said.usual,
        "against": said.against,
        "facts": dict(said.facts),
    }


def _action_json(action: Action) -> dict[str, Json]:
    outcome, rehearsal = action.outcome, action.rehearsal
    return {
        "id": action.id,
        "incident": action.incident,
        "playbook": action.playbook,
        "alert": action.alert,
        "state": action.state.value,
        "wanted": _wanted_json(action.wanted),
        "planned_at": iso(action.planned_at),
        "changed_at": iso(action.changed_at),
        "until": iso(action.until or None),
        "rehearsal": _rehearsal_json(rehearsal) if rehearsal is not None else None,
        "outcome": {"at": iso(outcome.at), "well": outcome.well, "text": outcome.text} if outcome else None,
        "changes": [
            {
                "at": iso(change.at),
                "given": change.given.value,
                "before": change.before.value,
                "after": change.after.value,
                "by": change.by,
                "reason": change.reason,
            }
            for change in action.changes
        ],
    }


def _wanted_json(wanted: Wanted) -> Json:
    return {
        "kind": wanted.kind.value,
        "key": wanted.key or None,
        "lane": wanted.lane.value,
        "contexts": list(wanted.contexts),
        "prefixes": list(wanted.prefixes),
        "foreign": wanted.foreign,
        "requests_per_minute": wanted.requests_per_minute,
        "delay_ms": wanted.delay_ms,
        "overlap_minutes": wanted.overlap_minutes,
        "audience": wanted.audience.value,
        "text": wanted.text,
    }


def _rehearsal_json(told: Rehearsal) -> Json:
    return {
        "days": told.days,
        "own": told.own,
        "own_stopped": told.own_stopped,
        "own_slowed": told.own_slowed,
        "foreign": told.foreign,
        "foreign_stopped": told.foreign_stopped,
        "foreign_slowed": told.foreign_slowed,
        "examples": list(told.examples),
    }


def incidents_text(found: Sequence[Summary]) -> str:
    """Return incidents as a table, or the word that there is none."""
    if not found:
        return "nothing open; --all shows what is over\n"
    rows = (
        (
            one.id,
            one.severity.name.lower(),
            one.state.value,
            iso(one.updated_at) or "",
            f"{one.money.spent / _NANO:.2f}",
            one.assignee or "-",
            one.title,
        )
        for one in found
    )
    return table(("incident", "severity", "state", "changed", "spent", "who", "what"), rows)


def story_text(story: Story) -> str:
    """Return an incident as a page: its head, its reasons, its actions, its story."""
    return "".join((*_head(story.incident), *_reasons(story), *_actions(story.actions), *_timeline(story)))


def _head(one: Incident) -> Iterator[str]:
    yield f"{one.title}\n"
    yield f"  {one.id}  {one.severity.name.lower()}  {one.state.value}  since {iso(one.first_at)}\n"
    if one.merged_into:
        yield f"  it goes on in {one.merged_into}\n"
    yield (
        f"  spent {one.money.spent / _NANO:.2f} USD, at risk {one.money.at_risk / _NANO:.2f} in a day, "
        f"avoided {one.money.avoided / _NANO:.2f}\n"
    )
    yield f"  keys: {', '.join(one.keys) or 'none'}\n"
    yield f"  owners: {', '.join(one.owners) or 'none'}\n"
    yield f"  networks: {', '.join(one.prefixes) or 'not known'}\n"
    if one.assignee:
        yield f"  with: {one.assignee}\n"
    if one.verdicts:
        last = one.verdicts[-1]
        yield f"  verdict: {last.kind} by {last.by}: {last.reason}\n"


def _reasons(story: Story) -> Iterator[str]:
    """Yield the three strongest reasons, and the strongest against."""
    worst = sorted(story.findings, key=lambda one: (-one.severity, not one.certain, -one.said.score, one.at))
    first = {one.detection: one for one in reversed(worst)}
    strongest = [one for one in worst if first[one.detection] is one][:_FEW]
    if strongest:
        yield "\nwhy\n"
        yield from (f"  {one.said.seen}; usual: {one.said.usual}  ({one.detection})\n" for one in strongest)
        yield f"against\n  {strongest[0].said.against}\n"


def _actions(actions: Sequence[Action]) -> Iterator[str]:
    if actions:
        yield "\nactions\n"
        yield from (f"  {line}\n" for action in actions for line in _action_lines(action))


def _action_lines(action: Action) -> Iterator[str]:
    until = f" until {iso(action.until)}" if action.until else ""
    yield f"{action.id}  {action.playbook}: {action.wanted.kind}  {action.state}{until}"
    if action.wanted.text:
        yield f"  {action.wanted.text}"
    if action.rehearsal is not None:
        told = action.rehearsal
        yield (
            f"  rehearsed on {told.days} days: it would have stopped {told.own_stopped} of {told.own} "
            f"of the owner's own exchanges, and {told.foreign_stopped} of {told.foreign} others"
        )
    if action.changes and action.changes[-1].reason:
        yield f"  {action.changes[-1].by}: {action.changes[-1].reason}"


def _timeline(story: Story) -> Iterator[str]:
    if story.timeline:
        yield "\nstory\n"
        yield from (_entry_line(entry) for entry in story.timeline)


def _entry_line(entry: TimelineEntry) -> str:
    by = f"  {entry.by}" if entry.by else ""
    exchange = f"  {entry.exchange}" if entry.exchange else ""
    return f"  {iso(entry.at)}  {entry.kind.value:<7}  {entry.text}{by}{exchange}\n"


def actions_text(told: ActionsTold) -> str:
    """Return actions for people; a token is shown once, here."""
    lines = [f"{line}\n" for action in told.actions for line in _action_lines(action)]
    lines += [f"token (shown this once): {token}\n" for token in told.tokens]
    return "".join(lines) or "it plans nothing here, or all that it wants is going on already\n"
