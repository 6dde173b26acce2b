"""Nouns of the playbook room: what can be done against a thief, what was done, and how it is undone."""

from enum import IntEnum, StrEnum

from msgspec import Struct

from chatelaine.model.detection import Alert, Severity
from chatelaine.model.words import (
    NEVER,
    ActionId,
    AlertId,
    ContextId,
    ExchangeId,
    IncidentId,
    Instant,
    KeyId,
    OwnerId,
    PlaybookId,
)


class Lane(StrEnum):
    """How a restraint lets traffic pass; the gate carries it out."""

    REFUSE = "refuse"
    """Answered as an unknown key is."""
    QUARANTINE = "quarantine"
    """Cheaper models, text only, no tools, a low rate, short answers."""
    THROTTLE = "throttle"
    """A rate of its own, so that the owner's share is kept."""
    TARPIT = "tarpit"
    """Answered late, and as ever."""
    DECOY = "decoy"
    """Answered with a fixed, harmless text; nothing goes upstream."""


class Restraint(Struct, frozen=True):
    """What the gate does to some of a key's traffic; every one ends by itself and can be lifted.

    It holds for exchanges of its key that match every part that is not empty: so a client is held back,
    and the key's owner goes on. All parts empty: the whole key.
    """

    id: ActionId
    key: KeyId
    lane: Lane
    until: Instant
    contexts: tuple[ContextId, ...] = ()
    """Client contexts; one of them must match."""
    prefixes: tuple[str, ...] = ()
    ja4s: tuple[str, ...] = ()
    foreign: bool = False
    """Whether it holds for every context that is not of the key's habit; for none where there is no habit."""
    incident: IncidentId = IncidentId("")
    requests_per_minute: int = 0
    """Of the throttle and the quarantine lane; 0: as the settings say."""
    delay_ms: int = 0
    """Of the tarpit; 0: as the settings say."""


class UnknownClient(StrEnum):
    """What a key's owner wants done at the first request of a context its settled habit never had."""

    OBSERVE = "observe"
    QUARANTINE = "quarantine"
    REFUSE = "refuse"


class HabitTable(Struct, frozen=True):
    """A settled key's habit as the gate holds it: marks of what it normally shows (``core/context.py``)."""

    key: KeyId
    contexts: tuple[int, ...] = ()
    prefixes: tuple[int, ...] = ()
    clients: tuple[int, ...] = ()
    """Marks of JA4 and header order."""
    answer: UnknownClient = UnknownClient.OBSERVE
    """What the hub wants done; the stricter of it and what the key's owner wants holds."""
    alarmed: bool = False
    """Whether a client of the key is held back for an incident: what is unknown goes to quarantine."""


class BlastRadius(IntEnum):
    """Whom a playbook's actions reach at worst; they compare as numbers do."""

    NOBODY = 0
    """No traffic of any owner: somebody is told, or a canary answers."""
    CLIENT = 1
    """The client contexts of the alert."""
    KEY = 2
    """Whoever uses the key."""
    OWNER = 3
    """All keys of the owner."""


class Approval(StrEnum):
    """Who lets a playbook's actions run."""

    AUTOMATIC = "automatic"
    """The rehearsal, where the alert is actionable."""
    PERSON = "person"


class PlaybookCard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The card of a playbook: what a human governs about it."""

    id: PlaybookId
    title: str
    version: int
    covers: tuple[str, ...]
    """Rows of the response catalogue it answers: ``R01`` …"""
    blast_radius: BlastRadius
    approval: Approval
    least_severity: Severity
    """Alerts below it are answered with a person's approval only."""
    time_limit_minutes: int
    """After it an action that is in force ends by itself, and one that nobody approved expires."""
    max_own_share: float
    """The share of the owner's own past traffic that it may stop or slow, 0 to 1; above it is vetoed."""
    reversal: str
    """What undoes it, in a sentence."""
    then: PlaybookId = PlaybookId("")
    """The playbook that follows by itself where the fuse blows; "" for none."""
    fuse_usd: float = 0.0
    """What the foreign client may spend, while nothing holds it back, before ``then`` follows."""
    options: dict[str, float] = {}
    enabled: bool = True


class ActionKind(StrEnum):
    """What an action does."""

    RESTRAIN = "restrain"
    """Puts a pattern of a key's traffic on a lane."""
    STEP_UP = "step_up"
    """Holds a pattern of a key's traffic back until its owner says that it is theirs."""
    DECOY = "decoy"
    """Answers a pattern of a key's traffic with a fixed, harmless text."""
    SUSPEND = "suspend"
    ROTATE = "rotate"
    REVOKE = "revoke"
    NOTIFY = "notify"


class Audience(StrEnum):
    """Who is told."""

    ANALYSTS = "analysts"
    OWNER = "owner"
    """The contact of the key."""


class ActionState(StrEnum):
    """Where an action stands in its life cycle (``core/playbook/lifecycle.py``)."""

    PLANNED = "planned"
    REHEARSED = "rehearsed"
    AWAITING_APPROVAL = "awaiting_approval"
    RUNNING = "running"
    """It is being carried out; or in force, until it ends by itself or is undone."""
    DONE = "done"
    FAILED = "failed"
    VETOED = "vetoed"
    """The rehearsal or a person spoke against it."""
    UNDONE = "undone"
    EXPIRED = "expired"


class ActionInput(StrEnum):
    """What can happen to an action."""

    REHEARSE = "rehearse"
    VETO = "veto"
    ASK = "ask"
    """A person must approve."""
    START = "start"
    APPROVE = "approve"
    FINISH = "finish"
    FAIL = "fail"
    UNDO = "undo"
    EXPIRE = "expire"


class Situation(Struct, frozen=True, kw_only=True):
    """What a playbook plans for."""

    alert: Alert
    incident: IncidentId
    prefixes: tuple[str, ...] = ()
    """Of the alert's findings."""
    canary: bool = False
    """Whether the key is a canary: it has no owner whose traffic could be stopped."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What a playbook wants done: an action before anybody looked at it."""

    kind: ActionKind
    key: KeyId = KeyId("")
    lane: Lane = Lane.REFUSE
    """Of a RESTRAIN."""
    contexts: tuple[ContextId, ...] = ()
    prefixes: tuple[str, ...] = ()
    foreign: bool = False
    """As in ``Restraint``, of RESTRAIN, STEP_UP and DECOY."""
    requests_per_minute: int = 0
    delay_ms: int = 0
    overlap_minutes: int = 0
    """Of a ROTATE: how long the old token works on."""
    audience: Audience = Audience.ANALYSTS
    """Of a NOTIFY."""
    text: str = ""
    """Of a NOTIFY: what is told; of others: why, for the record."""


class Rehearsal(Struct, frozen=True):
    """What an action would have done to the owner's past traffic."""

    days: int
    """How far back was looked."""
    own: int
    """The owner's own exchanges that were looked at: those of known client contexts."""
    own_stopped: int
    own_slowed: int
    foreign: int
    """All others."""
    foreign_stopped: int
    foreign_slowed: int
    examples: tuple[ExchangeId, ...] = ()
    """Some of the owner's own exchanges that it would have stopped."""

    @property
    def own_share(self) -> float:
        """The share of the owner's own exchanges that it would have reached; 0 where there were none."""
        return (self.own_stopped + self.own_slowed) / self.own if self.own else 0.0


class Outcome(Struct, frozen=True):
    """What came of an action."""

    at: Instant
    well: bool
    text: str
    """For the analyst: what was done, or why it could not be."""


class ActionChange(Struct, frozen=True):
    """A step of an action's life cycle."""

    at: Instant
    given: ActionInput
    before: ActionState
    after: ActionState
    by: str
    reason: str = ""


class Action(Struct, frozen=True, kw_only=True):
    """One thing done against a thief, from plan to outcome."""

    id: ActionId
    """Derived from alert, playbook and place in the plan, so that a replay plans the same."""
    incident: IncidentId
    alert: AlertId
    playbook: PlaybookId
    owner: OwnerId
    wanted: Wanted
    state: ActionState
    planned_at: Instant
    changed_at: Instant
    until: Instant = NEVER
    """When it ends by itself; NEVER where it was not planned to."""
    rehearsal: Rehearsal | None = None
    outcome: Outcome | None = None
    changes: tuple[ActionChange, ...] = ()


class Plan(Struct, frozen=True):
    """The actions by which a playbook answers an alert, in order."""

    playbook: PlaybookId
    incident: IncidentId
    alert: AlertId
    actions: tuple[Action, ...]
