"""What the processes of one machine tell each other: orders, tables, commands, standings.

A gate worker says ``WorkerHello`` and is sent every table; then changes come by themselves and it
acknowledges each epoch. A command line sends one command at a time and reads one reply.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from chatelaine.model.desk import IncidentCommand, IncidentReply
from chatelaine.model.key import KeyInput, KeyRequest, ProviderKeySummary, VirtualKey
from chatelaine.model.playbook import Restraint
from chatelaine.model.push import TableMessage
from chatelaine.model.watch import WatchTold
from chatelaine.model.words import (
    ActionId,
    Epoch,
    Instant,
    KeyId,
    OwnerId,
    ProviderKeyName,
    WorkerNumber,
)

LINK_VERSION = 2
"""Grows when a message changes so that older processes would misread it."""

FRAME_LIMIT = 8 * 1024 * 1024
"""Bytes of one frame at most, either way."""

COMMAND_LIMIT = 1024 * 1024
"""Bytes of one frame that the hub accepts from anybody."""

HUB_SOCKET = "hub.sock"
"""The hub's Unix socket in the storage directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOrders:
    """What the supervisor hands a gate worker: one line of JSON on its standard input.

    The standard input stays open after that line; its end means that the supervisor has gone.
    """

    worker: WorkerNumber
    workers: int
    listening_fd: int
    """The worker's own listening socket, bound with SO_REUSEPORT and held open by the supervisor too."""
    settings_path: str
    """"" where there is no settings file."""
    storage: str
    overrides: tuple[tuple[str, str], ...] = ()
    """Settings given as flags: dotted name and value; they outrank environment and file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubOrders:
    """What the supervisor hands the hub, as ``WorkerOrders``."""

    workers: int
    admin_fd: int
    """The listening socket of the admin port."""
    settings_path: str
    storage: str
    overrides: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """One series of a counter or a gauge."""

    metric: str
    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """One series of a histogram; ``counts`` has one place a bucket and one for what is above all."""

    metric: str
    labels: tuple[str, ...]
    counts: tuple[int, ...]
    total: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one process has counted since it started."""

    counters: tuple[Count, ...] = ()
    gauges: tuple[Count, ...] = ()
    histograms: tuple[Distribution, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerHello:
    """A gate worker asks for its tables.

    ``serving`` is False until it has had its tables, and it opens its journal and takes traffic
    only after that: so the hub, before it sends them, can recover what a worker of that number
    left behind. It is True when a worker at work comes back to a new hub.
    """

    worker: WorkerNumber
    pid: int
    supervisor: int
    """Its parent's process id: a worker that outlives its supervisor is not the new hub's."""
    version: int
    serving: bool


@dataclass(frozen=True, slots=True)
class WorkerStanding:
    """How a gate worker stands; told when it changes."""

    ready: bool
    draining: bool = False
    journal: bool = True
    """Whether records can be made durable."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A gate worker decides by this epoch's tables from now on."""

    epoch: Epoch


@dataclass(frozen=True, slots=True)
class KeyUsed:
    """An issued key was used for the first time."""

    key: KeyId


@dataclass(frozen=True, slots=True)
class Measured:
    """What a gate worker has counted."""

    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class IssueKey:
    """Issue a virtual key."""

    asked: KeyRequest
    by: str


@dataclass(frozen=True, slots=True)
class ListKeys:
    """Tell of every virtual key."""


@dataclass(frozen=True, slots=True)
class ShowKey:
    """Tell of one virtual key."""

    key: KeyId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeKey:
    """Move a virtual key along its life cycle: suspend, resume, expose, revoke."""

    key: KeyId
    change: KeyInput
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateKey:
    """Issue a successor; the old token works on for the overlap."""

    key: KeyId
    by: str
    reason: str = ""
    overlap: timedelta | None = None
    """None: as the settings say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreProviderKey:
    """Store a provider key, or its next version."""

    name: ProviderKeyName
    owner: OwnerId
    value: bytes
    by: str

    def __repr__(self) -> str:
        return f"StoreProviderKey(name={self.name!r}, owner={self.owner!r}, by={self.by!r})"


@dataclass(frozen=True, slots=True)
class ListProviderKeys:
    """Tell of every provider key, without its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveProviderKey:
    """Remove a provider key with all its versions."""

    name: ProviderKeyName
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrain:
    """Put a restraint on some of a key's traffic; one that has no id is given one."""

    restraint: Restraint
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lift:
    """Lift a restraint before it ends by itself."""

    restraint: ActionId
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ListRestraints:
    """Tell of every restraint that stands."""


@dataclass(frozen=True, slots=True)
class ReadStatus:
    """Tell how hub and workers stand."""


@dataclass(frozen=True, slots=True)
class ReloadSettings:
    """Read the settings again; keep the old ones where the new ones have a fault."""

    by: str


class Act(StrEnum):
    """What the command line does by itself, and has the hub record."""

    SHOW_CAPTURE = "capture.show"
    PURGE_CAPTURE = "capture.purge"
    TEST_RECEIVER = "notify.test"
    RETRY_NOTICE = "notify.retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAct:
    """Record what the command line is about to do, or has done; the reply comes when it is durable."""

    act: Act
    by: str
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class ActRecorded:
    """What was to be recorded stands in the hub's journal."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a change came before the reply was sent."""

    reached: int
    workers: int
    took_ms: float
    missing: tuple[int, ...] = ()
    """Numbers of the workers that have not acknowledged."""


@dataclass(frozen=True, slots=True)
class KeysTold:
    """Virtual keys, and how far the change that was asked for has come."""

    keys: tuple[VirtualKey, ...]
    reach: Reach | None = None


@dataclass(frozen=True, slots=True)
class KeyIssuedTold:
    """A key just issued, with its token: the only time it is told."""

    key: VirtualKey
    token: str
    reach: Reach

    def __repr__(self) -> str:
        return f"KeyIssuedTold(key={self.key.id!r}, reach={self.reach!r})"


@dataclass(frozen=True, slots=True)
class ProviderKeysTold:
    """Provider keys, and how far the change that was asked for has come."""

    provider_keys: tuple[ProviderKeySummary, ...]
    reach: Reach | None = None


@dataclass(frozen=True, slots=True)
class RestraintsTold:
    """Restraints, and how far the change that was asked for has come."""

    restraints: tuple[Restraint, ...]
    reach: Reach | None = None


@dataclass(frozen=True, slots=True)
class WorkerTold:
    """One gate worker as the hub sees it."""

    worker: WorkerNumber
    pid: int
    connected: bool
    ready: bool
    draining: bool
    journal: bool
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class StatusTold:
    """How hub and workers stand; ``reasons`` says why the service is not ready, where it is not."""

    pid: int
    started_at: Instant
    epoch: Epoch
    keys: int
    workers: tuple[WorkerTold, ...]
    watch: WatchTold
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SettingsTold:
    """The outcome of a reload: what changed, and what of it takes effect at the next start only."""

    changed: tuple[str, ...]
    at_restart: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that was not carried out, with the error as its caller shows it."""

    reason: str
    message: str
    hint: str = ""


WorkerMessage = WorkerHello | WorkerStanding | Acknowledged | KeyUsed | Measured
Command = (
    IssueKey
    | ListKeys
    | ShowKey
    | ChangeKey
    | RotateKey
    | StoreProviderKey
    | ListProviderKeys
    | RemoveProviderKey
    | Restrain
    | Lift
    | ListRestraints
    | ReadStatus
    | ReloadSettings
    | RecordAct
    | IncidentCommand
)
Reply = (
    KeysTold
    | KeyIssuedTold
    | ProviderKeysTold
    | StatusTold
    | SettingsTold
    | ActRecorded
    | RestraintsTold
    | IncidentReply
    | Refused
)
Message = WorkerMessage | TableMessage | Command | Reply
