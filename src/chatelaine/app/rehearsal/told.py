"""What the watch says, in the story's words: an incident, a day that is none, and evidence as it grows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from chatelaine.app.rehearsal import records
from chatelaine.core.context import prefix_of
from chatelaine.core.detection.evidence_said import Weight
from chatelaine.model.detection import Finding, Severity
from chatelaine.model.event import Event, ExchangeEnded, ExchangeOpened, ExchangeRefused
from chatelaine.model.incident import IncidentState, Story
from chatelaine.model.playbook import Action, ActionKind
from chatelaine.model.words import Instant

FOUND_AT, SURE_AT = 0.0, 1.3
"""The scores of ``key_foreign_client`` and ``key_foreign_client_sure``."""
_FEW: Final = 3
_MILLI: Final = 1_000_000

Row = tuple[str, str]
"""A label, and what belongs to it."""


def incident_rows(story: Story) -> Iterator[Row]:
    """Yield an incident: what it is, why, what speaks against it, and what was done."""
    one = story.incident
    yield "incident", f"{one.title} ({one.severity.name.lower()}, {one.state.value}, {one.id})"
    yield "evidence", f"{one.found} findings of {len(one.families)} families: {', '.join(one.families)}"
    worst = _strongest(story.findings)
    for finding in worst[:_FEW]:
        yield "because", f"{finding.said.seen}; usual: {finding.said.usual} ({finding.detection})"
    for finding in worst[:1]:
        yield "against", finding.said.against
    for action in _holding(story)[-1:]:
        yield from _action_rows(action)


def _strongest(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings of each detection that weigh most, the most severe first."""
    found: dict[str, Finding] = {}
    for one in sorted(findings, key=lambda one: (-one.severity, not one.certain, -one.said.score, one.at)):
        found.setdefault(one.detection, one)
    return list(found.values())


def _holding(story: Story) -> list[Action]:
    """Return the actions that hold somebody back, the earliest first."""
    held = [one for one in story.actions if one.id in story.incident.holding and one.outcome is not None]
    return sorted(held, key=lambda one: one.changed_at)


def _action_rows(action: Action) -> Iterator[Row]:
    told = action.rehearsal
    if told is not None:
        yield (
            "rehearsed",
            f"on the {told.own} requests of the owner in {told.days} days: it would have stopped "
            f"{told.own_stopped} of them",
        )
    if action.wanted.kind is ActionKind.RESTRAIN:
        clients = f"{len(action.wanted.contexts)} client context{'s' * (len(action.wanted.contexts) != 1)}"
        until = records.clock_time(action.until)[:5]
        yield "done", f"{action.playbook}: lane {action.wanted.lane} for {clients}, until {until} tomorrow"
    else:
        yield "done", f"{action.playbook}: {action.wanted.kind}"


def contained_at(story: Story) -> Instant | None:
    """Return when the gates were told to hold somebody back; None where they were not."""
    outcomes = [one.outcome.at for one in _holding(story) if one.outcome is not None]
    return min(outcomes, default=None)


def contained(story: Story) -> bool:
    """Tell whether an incident is contained at present."""
    return story.incident.state is IncidentState.CONTAINED


class Course:
    """What a client's requests came to, by the journal."""

    def __init__(self, events: Sequence[Event], ip: str) -> None:
        asked = [one for one in events if isinstance(one, ExchangeOpened | ExchangeRefused)]
        own = [one for one in asked if one.client.network.ip == ip]
        opened = {one.exchange for one in own if isinstance(one, ExchangeOpened)}
        ends = [one for one in events if isinstance(one, ExchangeEnded) and one.exchange in opened]
        self.asked = len(own)
        self.served = len(opened)
        """Requests that went upstream, whatever the model made of them."""
        self.refused = self.asked - self.served
        self.cost = sum(one.cost for one in ends)
        self.first_at = min((one.at for one in own), default=Instant(0))
        self.statuses = Counter(one.status for one in own if isinstance(one, ExchangeRefused))
        self.statuses.update(one.status for one in ends)

    def told_containment(self, at: Instant) -> str:
        """Return how soon after the first request the client was held back, and what it had got by then."""
        after = (at - self.first_at) / _MILLI
        return f"{after:.0f} ms after the thief's first request; {self.served} of his requests were served"


def quiet_rows(findings: Sequence[Finding]) -> Iterator[Row]:
    """Yield why a busy day is no incident: what was found, and what lacked."""
    if not findings:
        yield (
            "not flagged",
            "because nothing was found: network, TLS client, headers, model and sizes are the key's own, "
            "and more of the same is not a thief's doing",
        )
        return
    for detection, finding in {one.detection: one for one in findings}.items():
        yield "found", f"{finding.said.seen}; usual: {finding.said.usual} ({detection})"
    families = sorted({one.family.value for one in findings})
    worst = max(one.severity for one in findings)
    yield "not flagged", f"because {_lacking(families, worst)}"


def _lacking(families: Sequence[str], worst: Severity) -> str:
    what = f"the worst that was found is {worst.name.lower()}"
    if len(families) == 1:
        return f"{families[0]} alone says so; a second family has to agree ({what})"
    return f"{' and '.join(families)} do not agree about one client ({what})"


def evidence_rows(weights: Sequence[Weight]) -> Iterator[Row]:
    """Yield the evidence on a client as it grew, and what it came to."""
    if not weights:
        yield "evidence", "none: everything the thief showed was known to the key, its network included"
        return
    last: dict[int, Weight] = {}
    for weight in weights:
        last[weight.requests] = weight
    grown = ", ".join(f"{weight.score:+.2f} after {count}" for count, weight in sorted(last.items()))
    yield "evidence", f"{grown} requests; {FOUND_AT:+.1f} is a finding, {SURE_AT:+.1f} acts by itself"
    strongest = max(weights, key=lambda one: one.score)
    if strongest.reasons:
        yield "for it", _reasons(strongest, for_it=True)
        yield "against", _reasons(strongest, for_it=False)


def _reasons(weight: Weight, *, for_it: bool) -> str:
    told = weight.reasons if for_it else weight.against
    counted = [one for one in told if (one[1] > 0) == for_it and one[1]]
    return ", ".join(f"{name} {nats:+.1f}" for name, nats, _, _ in counted[:_FEW]) or "nothing"


def quiet_thief_rows(stories: Sequence[Story], findings: Sequence[Finding]) -> Iterator[Row]:
    """Yield plainly whether the quiet thief was noticed, and what was found where he was not."""
    if stories:
        held = sum(map(contained, stories))
        yield "noticed", f"{len(stories)} incident{'s' * (len(stories) != 1)}, {held} contained"
        return
    names = ", ".join(sorted({one.detection for one in findings})) or "none"
    yield "not noticed", f"this thief got through so far: too little differs. Findings on the key: {names}"


def sum_rows(story: Story, events: Sequence[Event]) -> Iterator[Row]:
    """Yield what an incident came to: how soon it was contained, what its client got, and its money."""
    one = story.incident
    yield "incident", f"{one.id} on key {', '.join(one.keys)}: {one.state.value}"
    for ip in sorted(_addresses(events, one.prefixes)):
        course, at = Course(events, ip), contained_at(story)
        if at is not None:
            yield "thief", f"{ip}: contained {course.told_containment(at)}, {course.refused} refused"
        else:
            yield "thief", f"{ip}: not contained; {course.served} of {course.asked} requests were served"
    spent, avoided = records.dollars(one.money.spent), records.dollars(one.money.avoided)
    yield "money", f"{spent} spent by the thief, {avoided} avoided at the mean of what he was served"


def _addresses(events: Iterable[Event], prefixes: Sequence[str]) -> set[str]:
    """Return the addresses within some networks that asked for anything."""
    asked = (one for one in events if isinstance(one, ExchangeOpened | ExchangeRefused))
    return {one.client.network.ip for one in asked if prefix_of(one.client.network.ip) in prefixes}
