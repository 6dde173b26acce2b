"""What the watch says, in the story's words: an incident, a day that is none, and evidence as it grows."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from chatelaine.app.rehearsal import records
from chatelaine.catalog import detections
from chatelaine.core.context import context_id, prefix_of
from chatelaine.core.detection.evidence_said import Weight
from chatelaine.model.detection import Finding, Said, Severity
from chatelaine.model.event import Event, ExchangeEnded, ExchangeOpened, ExchangeRefused
from chatelaine.model.incident import IncidentState, Story
from chatelaine.model.playbook import Action, ActionKind
from chatelaine.model.policy import Disposition
from chatelaine.model.words import ContextId, DetectionId, Instant

_SCORES = {
    one.card.id: one.card.thresholds["score"] for one in detections() if "score" in one.card.thresholds
}
FOUND_AT, SURE_AT = (
    _SCORES[DetectionId("key_foreign_client")],
    _SCORES[DetectionId("key_foreign_client_sure")],
)
"""The scores of ``key_foreign_client`` and ``key_foreign_client_sure``."""
_FEW: Final = 3
_MILLI: Final = 1_000_000

_WEIGHED: Final = frozenset({"key_foreign_client", "key_foreign_client_sure"})
"""The detections whose score is that of the evidence."""
_THOUSAND: Final = 1_000
"""Key-days of which the score tells the false alarms."""
_MILLION: Final = 1_000_000
"""Key-days beyond which no scale was ever checked."""
_WORDS: Final = {
    "prefix": "the network",
    "asn": "the network's operator",
    "country": "the country",
    "network": "the kind of network",
    "client": "the TLS client and its headers",
    "program": "the program",
    "agent": "the program's version",
    "shape": "the shape of the request",
    "cap": "the output cap",
    "input": "the size of the question",
    "output": "the size of the answer",
    "turn": "the place in a conversation",
    "system": "the system prompt",
    "clock": "the hour",
    "status": "how it was answered",
    "stream": "streaming",
    "user": "the end user's id",
    "rate": "the rate",
    "cost": "the cost",
    "join": "a shared conversation",
    "alone": "no shared conversation",
}
"""The terms of the evidence (``core/detection/evidence_terms.py``), where their names say too little."""

Row = tuple[str, str]
"""A label, and what belongs to it."""


def incident_rows(story: Story) -> Iterator[Row]:
    """Yield an incident: what it is, why, what speaks against it, and what was done."""
    one = story.incident
    yield "incident", f"{one.title} ({one.severity.name.lower()}, {one.state.value}, {one.id})"
    yield "evidence", f"{one.found} findings of {len(one.families)} families: {', '.join(one.families)}"
    worst = _strongest(story.findings)
    for finding in worst[:_FEW]:
        yield "because", _because(finding)
    for finding in worst[:1]:
        yield "against", _against(finding.said)
    for action in _holding(story)[-1:]:
        yield from _action_rows(action)


def _strongest(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings of each detection that weigh most, the most severe first."""
    found: dict[str, Finding] = {}
    for one in sorted(findings, key=lambda one: (-one.severity, not one.certain, -one.said.score, one.at)):
        found.setdefault(one.detection, one)
    return list(found.values())


def _because(finding: Finding) -> str:
    said = finding.said
    if finding.detection not in _WEIGHED:
        return f"{said.seen}; usual: {said.usual} ({finding.detection})"
    weighed = ", ".join(f"{_WORDS.get(name, name)} {nats}" for name, nats in said.facts[:_FEW])
    days = _THOUSAND * 10**said.score
    false = (
        f"by chance {'once' if days < _MILLION else 'less than once'} in {min(days, _MILLION):,.0f} key-days"
    )
    _, _, after = said.seen.rpartition(", after ")
    return f"{finding.prefix}, after {after}: {weighed} nats; so much comes {false} ({finding.detection})"


def _against(said: Said) -> str:
    """Return the strongest reason against, the terms of the evidence in words."""
    name, mark, _ = said.against.partition(" speaks for the owner")
    return f"{_WORDS.get(name, name)} speaks for the owner" if mark else said.against


def _holding(story: Story) -> list[Action]:
    """Return the actions that hold somebody back, the earliest first."""
    held = [one for one in story.actions if one.id in story.incident.holding and one.outcome is not None]
    return sorted(held, key=lambda one: one.changed_at)


def _action_rows(action: Action) -> Iterator[Row]:
    told = action.rehearsal
    if told is not None:
        of = f"{told.own} requests of the owner in {told.days} days"
        yield "rehearsed", f"on the {of}: it would have stopped {told.own_stopped} of them"
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
        held = Disposition.QUARANTINED
        self.quarantined = sum(isinstance(e, ExchangeOpened) and e.disposition is held for e in own)
        """Those of them that went on the quarantine lane."""
        self.refused = self.asked - self.served
        self.cost = sum(one.cost for one in ends)
        self._came = sorted(one.at for one in own)
        self.first_at = self._came[0] if self._came else Instant(0)

    def until(self, at: Instant) -> int:
        """Return how many requests had come by an instant."""
        return sum(one <= at for one in self._came)

    def told_containment(self, at: Instant) -> str:
        """Return how soon after the first request the client was held back, and what it had got by then."""
        after = (at - self.first_at) / _MILLI
        return f"{after:.0f} ms after the thief's first request; {self.served} of his requests were served"


def new_clients(events: Iterable[Event], since: Instant) -> tuple[int, int]:
    """Return how many requests there were since an instant, and how many of clients not seen before it."""
    known: set[ContextId] = set()
    asked = new = 0
    for event in events:
        if isinstance(event, ExchangeOpened | ExchangeRefused):
            client = event.client
            context = context_id(prefix_of(client.network.ip), client.greeting.ja4, client.header_hash)
            if event.at < since:
                known.add(context)
            else:
                asked += 1
                new += context not in known
    return asked, new


def quiet_rows(seen: tuple[int, int], findings: Sequence[Finding]) -> Iterator[Row]:
    """Yield why a busy day is no incident: whose requests they were, what was found, and what lacked."""
    asked, new = seen
    yield "clients", f"{new} of these {asked} requests came from a client that the key had not shown before"
    if not findings:
        yield "not flagged", "because no detection had a word to say: more of the same is no theft"
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
        yield "weighed", "nothing: everything the thief showed was known to the key, its network included"
        return
    last: dict[int, Weight] = {}
    for weight in weights:
        last[weight.requests] = weight
    grown = ", ".join(f"{weight.score:+.2f} after {count}" for count, weight in sorted(last.items()))
    yield "weighed", f"{grown} requests; {FOUND_AT:+.1f} is a finding, {SURE_AT:+.1f} acts by itself"
    strongest = max(weights, key=lambda one: one.score)
    if strongest.reasons:
        yield "for it", _reasons(strongest, for_it=True)
        yield "against", _reasons(strongest, for_it=False)


def _reasons(weight: Weight, *, for_it: bool) -> str:
    told = weight.reasons if for_it else weight.against
    counted = [one for one in told if (one[1] > 0) == for_it and one[1]]
    return ", ".join(f"{_WORDS.get(one[0], one[0])} {one[1]:+.1f}" for one in counted[:_FEW]) or "nothing"


def quiet_thief_rows(stories: Sequence[Story], findings: Sequence[Finding], course: Course) -> Iterator[Row]:
    """Yield plainly whether the quiet thief was noticed, and what was found where he was not."""
    if stories:
        before = course.until(stories[0].incident.opened_at)
        late = f"{course.quarantined} more on the quarantine lane" if course.quarantined else "none held back"
        yield (
            "noticed",
            f"by the evidence after {before} of his requests; {late}, {course.refused} turned away",
        )
        if not stories[0].incident.holding:
            yield "done", "people are told; so much evidence is not enough to act alone, they decide"
        return
    yield "not noticed", "no incident: this thief got through, too little of him differs from the owner"
    for detection, finding in {one.detection: one for one in findings}.items():
        yield "found", f"{finding.family.value} alone, {finding.severity.name.lower()} ({detection})"


def sum_rows(story: Story, events: Sequence[Event]) -> Iterator[Row]:
    """Yield what an incident came to: how soon it was contained, what its client got, and its money."""
    one = story.incident
    yield "incident", f"{one.id} on key {', '.join(one.keys)}: {one.state.value}"
    for ip in sorted(_addresses(events, one.prefixes)):
        course, at = Course(events, ip), contained_at(story)
        if at is not None:
            yield "thief", f"{ip}: contained {course.told_containment(at)}, {course.refused} refused"
        else:
            lane = f"{course.quarantined} of them on the quarantine lane, " if course.quarantined else ""
            yield "thief", f"{ip}: {course.served} requests served, {lane}{course.refused} turned away"
        yield from _money_rows(story, course, events)


def _money_rows(story: Story, course: Course, events: Sequence[Event]) -> Iterator[Row]:
    one = story.incident
    own = [e for e in events if isinstance(e, ExchangeEnded) and e.caller.key in one.keys and e.cost]
    mean = sum(event.cost for event in own) // max(1, len(own))
    avoided = f"{records.dollars(mean * course.refused)} at this key's mean of {records.dollars(mean)}"
    yield "money", f"{records.dollars(course.cost)} spent by the thief; refused would have cost {avoided}"


def _addresses(events: Iterable[Event], prefixes: Sequence[str]) -> set[str]:
    """Return the addresses within some networks that asked for anything."""
    asked = (one for one in events if isinstance(one, ExchangeOpened | ExchangeRefused))
    return {one.client.network.ip for one in asked if prefix_of(one.client.network.ip) in prefixes}
