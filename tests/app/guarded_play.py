"""A hub and its gates as far as they judge and hold back, over a simulated world; no HTTP, no disk.

What a restraint refuses is recorded as refused, so that the watch sees what it would have seen. With the
simulator's truth it is counted whose requests these were, and what had them refused.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from chatelaine import catalog
from chatelaine.adapters.memory_incidents import MemoryIncidentStore
from chatelaine.app.answering import Answering
from chatelaine.app.habits import Habits
from chatelaine.core.play.stage import Hour, play
from chatelaine.core.playbook.past import Spent
from chatelaine.core.policy.lane import Lanes
from chatelaine.core.policy.pace import Paces
from chatelaine.core.policy.restraint import Restraints
from chatelaine.model.detection import Alert
from chatelaine.model.event import Event, ExchangeEnded, ExchangeOpened, ExchangeRefused
from chatelaine.model.exchange import RefusalReason, RouteMatch, Shape
from chatelaine.model.play import Call, Part
from chatelaine.model.playbook import Action, HabitTable, Lane, Restraint
from chatelaine.model.policy import Hold
from chatelaine.model.settings import ContainmentSettings
from chatelaine.model.words import SECOND, ActionId, ExchangeId, Instant, KeyId, NanoUsd, OwnerId
from chatelaine.services.detection import Turn, Watch
from chatelaine.services.incident import IncidentKeeper
from chatelaine.services.playbook import Hands, Responder

START = Instant(1_793_577_600 * SECOND)
_LOOK = 300 * SECOND
"""How often what is due is looked after, and the gates' habits are made current."""


@dataclass
class Clock:
    """The play's own time."""

    at: Instant = START

    def now(self) -> Instant:
        return self.at

    def elapsed(self) -> int:
        return self.at


@dataclass
class Tally:
    """What became of the owners' and the thieves' requests, by key."""

    owners: Counter[KeyId] = field(default_factory=Counter)
    owners_refused: Counter[KeyId] = field(default_factory=Counter)
    thieves: Counter[KeyId] = field(default_factory=Counter)
    thieves_refused: Counter[KeyId] = field(default_factory=Counter)
    stolen: frozenset[KeyId] = frozenset()
    scenarios: dict[KeyId, str] = field(default_factory=dict)
    causes: Counter[str] = field(default_factory=Counter)
    """What had owners' requests refused, in words."""
    false_alerts: dict[str, str] = field(default_factory=dict)
    """Alerts that may act, of keys that nobody stole: by id, what raised them in words."""

    def share(self, *, stolen: bool) -> float:
        """Return the share of owners' requests that were refused, on keys that were stolen or on others."""
        asked = sum(count for key, count in self.owners.items() if (key in self.stolen) is stolen)
        refused = sum(count for key, count in self.owners_refused.items() if (key in self.stolen) is stolen)
        return refused / max(asked, 1)


class GuardedPlay:
    """A world of owners and thieves behind a gate that is watched."""

    def __init__(self) -> None:
        self.store = MemoryIncidentStore()
        self.clock = Clock()
        self.tally = Tally()
        self.restraints = Restraints()
        self._watch = Watch(catalog.detections())
        self._habits = Habits(self._watch, self._publish)
        self._lanes = Lanes(ContainmentSettings(), Paces(1, 1))
        self._keeper = IncidentKeeper(
            store=self.store,
            clock=self.clock,
            record=self._record,
            notify=lambda _, __: None,
            day_left=lambda _: NanoUsd(0),
            past=self._watch.recent,
            alarm=self._habits.alarm,
        )
        self._responder = Responder(
            store=self.store,
            clock=self.clock,
            record=self._record,
            playbooks=catalog.playbooks(),
            hands=self._hands(),
            past=self._past,
            known=self._watch.knows,
            changed=self._keeper.note_action,
        )
        self._answering = Answering(self._keeper, self._responder, self._watch.canary)
        self._recorded: list[Event] = []
        self._refused: set[ExchangeId] = set()
        self._looked_at = START

    async def run(self, call: Call) -> Tally:
        """Play it to the end, and return what became of whose requests."""
        staged = play(call)
        outlines = staged.outlines()
        self.tally.stolen = frozenset(key for one in outlines if one.part is Part.THEFT for key in one.keys)
        self.tally.scenarios = {key: one.scenario for one in outlines for key in one.keys}
        for hour in staged.hours():
            await self._live(hour)
        return self.tally

    async def _live(self, hour: Hour) -> None:
        thieves = {label.exchange for label in hour.labels if label.part is Part.THEFT}
        for event in hour.events:
            self.clock.at = max(self.clock.at, event.at)
            if self.clock.at - self._looked_at >= _LOOK:
                await self._look_after()
            seen = self._at_the_gate(event, thieves)
            if seen is not None:
                await self._see(seen)

    async def _see(self, event: Event) -> None:
        turn = Turn()
        for one in (*self._recorded, event):
            self._watch.take(one, turn)
        self._recorded = []
        if turn:
            found = turn.found()
            self._note_false(found.alerts)
            await self._answering.take(found)

    def _note_false(self, alerts: Iterable[Alert]) -> None:
        for alert in alerts:
            if alert.actionable and alert.key and alert.key not in self.tally.stolen:
                families = "+".join(alert.families)
                told = "certain" if alert.certain else families
                self.tally.false_alerts[alert.id] = (
                    f"{told} severity {int(alert.severity)} {self._scenario(alert.key)}"
                )

    async def _look_after(self) -> None:
        self._looked_at = self.clock.at
        await self._answering.look_after()
        self._habits._tell(self._watch.relearnt())

    # The gate.

    def _at_the_gate(self, event: Event, thieves: set[ExchangeId]) -> Event | None:
        if isinstance(event, ExchangeEnded) and event.exchange in self._refused:
            self._refused.remove(event.exchange)
            return None
        if not isinstance(event, ExchangeOpened) or event.caller.key is None:
            return event
        key, thief = event.caller.key, event.exchange in thieves
        (self.tally.thieves if thief else self.tally.owners)[key] += 1
        hold = self.restraints.find(key, event.client, event.at)
        reason = self._refusal(hold, event) if hold is not None else None
        if hold is None or reason is None:
            return event
        (self.tally.thieves_refused if thief else self.tally.owners_refused)[key] += 1
        if not thief:
            self.tally.causes[self._cause(hold, key)] += 1
        self._refused.add(event.exchange)
        return ExchangeRefused(
            at=event.at,
            exchange=event.exchange,
            worker=event.worker,
            caller=event.caller,
            client=event.client,
            asked=event.asked,
            status=401,
            reason=reason,
            lane=hold.lane,
            restraint=hold.restraint,
        )

    def _refusal(self, hold: Hold, event: ExchangeOpened) -> RefusalReason | None:
        asked = event.asked
        if hold.lane in {Lane.REFUSE, Lane.DECOY}:
            return RefusalReason.RESTRAINED
        if hold.lane is Lane.QUARANTINE:
            route = RouteMatch(event.target.provider, asked.route, asked.operation, "")
            fault = self._lanes.fault(route, asked, Shape(tools=asked.tools), b"")
            if fault is not None:
                return fault
        full = event.caller.key is not None and self._lanes.wait(hold, event.caller.key, event.at)
        return RefusalReason.REQUEST_RATE if full else None

    def _cause(self, hold: Hold, key: KeyId) -> str:
        action = self.store._actions.get(hold.restraint)
        if action is None:
            return f"alarmed {hold.lane.value} {self._scenario(key)} {sorted(self._detections(key))}"
        incident = self.store._incidents[action.incident]
        alert = self.store._alerts[action.alert]
        found = sorted({self.store._findings[one].detection for one in alert.findings})
        sure = "certain " if alert.certain else ""
        many = f" of {len(incident.keys)} keys" if len(incident.keys) > 1 else ""
        return f"{action.playbook} {hold.lane.value} {self._scenario(key)}: {sure}{found}{many}"

    def _detections(self, key: KeyId) -> set[str]:
        return {name for one in self.store._incidents.values() if key in one.keys for name in one.detections}

    def _scenario(self, key: KeyId) -> str:
        return self.tally.scenarios.get(key, "everyday")

    def _publish(self, tables: Iterable[HabitTable]) -> None:
        self.restraints.change_habits(tables, ())

    # The hub.

    def _record(self, event: Event) -> None:
        self._recorded.append(event)

    async def _past(self, owner: OwnerId, _: int) -> Iterator[Spent]:
        return self._watch.past(owner, self.clock.now())

    def _hands(self) -> Hands:
        async def restrain(one: Restraint) -> None:
            self.restraints.change([one], [])

        async def lift(name: ActionId) -> None:
            self.restraints.change([], [name])

        async def notify(_: Action) -> None:
            return

        async def on_key(*_: object) -> str:
            raise AssertionError("a key is touched without a person's approval")

        return Hands(
            restrain=restrain,
            lift=lift,
            suspend=on_key,
            resume=on_key,
            revoke=on_key,
            rotate=on_key,
            notify=notify,
        )


async def guarded(seed: int, *, days: int, bystanders: int, scenarios: tuple[str, ...]) -> GuardedPlay:
    """Return a play that was guarded from its first day to its last."""
    played = GuardedPlay()
    await played.run(Call(seed, START, days, bystanders, scenarios))
    return played
