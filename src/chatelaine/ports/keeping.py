"""What is kept and who is told: ports that the hub calls, which may take their time."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from chatelaine.model.detection import Alert, Finding
from chatelaine.model.incident import Batch, Incident, IncidentState
from chatelaine.model.key import ProviderKey, VirtualKey
from chatelaine.model.notice import Delivery, DeliveryState, Notice, Parcel, Reception
from chatelaine.model.playbook import Action, ActionState, Restraint
from chatelaine.model.watch import Cursor, Piece
from chatelaine.model.words import (
    ActionId,
    AlertId,
    FindingId,
    IncidentId,
    Instant,
    KeyId,
    ProviderKeyName,
    ReceiverName,
)


class KeyStore(Protocol):
    """Holds virtual keys and sealed provider keys."""

    async def keys(self) -> Sequence[VirtualKey]:
        """Return every virtual key."""
        ...

    async def key(self, kid: KeyId) -> VirtualKey | None:
        """Return one virtual key, or None."""
        ...

    async def due(self, at: Instant) -> Sequence[VirtualKey]:
        """Return the keys whose expiry or overlap is over at an instant and that are not ended yet.

        Revoked and expired keys are ended; compromised ones do not expire.
        """
        ...

    async def add(self, key: VirtualKey) -> None:
        """Add a new virtual key.

        Raises:
            StoreConflict: the id is taken.
        """
        ...

    async def replace(
        self, changes: Iterable[tuple[VirtualKey, VirtualKey]], added: Iterable[VirtualKey] = ()
    ) -> None:
        """Replace keys (before, after) and add others, all or nothing.

        Raises:
            StoreConflict: a key is no longer as ``before`` says.
        """
        ...

    async def claim_slot(self) -> int:
        """Return a meter slot that was never given out before."""
        ...

    async def provider_keys(self) -> Sequence[ProviderKey]:
        """Return the newest version of every provider key."""
        ...

    async def store_provider_key(self, key: ProviderKey) -> None:
        """Store a version of a provider key, replacing older ones once it is safe.

        Raises:
            StoreConflict: that version or a newer one exists.
        """
        ...

    async def remove_provider_key(self, name: ProviderKeyName) -> None:
        """Remove a provider key with all its versions."""
        ...


class WatchStore(Protocol):
    """Holds how far the watch has read, and what its detections remember."""

    async def keep(self, pieces: Iterable[Piece], cursor: Cursor) -> None:
        """Keep pieces that changed, and how far the journals were read for them, all or nothing."""
        ...

    async def kept(self) -> tuple[Sequence[Piece], Cursor]:
        """Return all that was kept last; nothing and a cursor at the start where nothing was.

        Of keys that are asleep only the names are told, in pieces without a value: there may be millions.
        """
        ...

    async def asleep(self, key: KeyId) -> bytes:
        """Return what is kept of a key that is asleep; nothing where it is not."""
        ...


class RestraintStore(Protocol):
    """Holds the restraints that stand, over restarts of everything."""

    async def restraints(self) -> Sequence[Restraint]:
        """Return every restraint, in the order they were put on."""
        ...

    async def change(self, added: Sequence[Restraint], lifted: Sequence[ActionId]) -> None:
        """Add or replace restraints and remove others, all or nothing; ids that are not held are passed over.

        Raises:
            StoreError: they cannot be kept; everything stays as it was.
        """
        ...


class Sealer(Protocol):
    """Seals provider keys under a key-encryption key."""

    @property
    def kek(self) -> str:
        """The name of the key-encryption key that seals new values."""
        ...

    def seal(self, plain: bytes, *, bound_to: bytes) -> tuple[bytes, bytes]:
        """Return (nonce, sealed); ``bound_to`` is authenticated, not hidden."""
        ...

    def open(self, nonce: bytes, sealed: bytes, *, bound_to: bytes, kek: str) -> bytes:
        """Return the plain value.

        Raises:
            SealError: wrong key-encryption key, or any bit differs.
        """
        ...


class IncidentStore(Protocol):
    """Holds findings, alerts, incidents and actions."""

    async def commit(self, batch: Batch) -> None:
        """Store a batch, all or nothing; a finding or an alert that is held already is passed over.

        Raises:
            StoreConflict: an incident or an action is no longer as ``before`` says.
        """
        ...

    async def incident(self, incident: IncidentId) -> Incident | None:
        """Return one incident, or None."""
        ...

    async def incidents(
        self, states: Iterable[IncidentState] = (), *, limit: int | None = None
    ) -> Sequence[Incident]:
        """Return the incidents in these states (none: in any), what changed last first."""
        ...

    async def findings(self, wanted: Iterable[FindingId]) -> Sequence[Finding]:
        """Return the findings of these ids that are held, in order of time."""
        ...

    async def findings_since(self, at: Instant, *, key: KeyId | None = None) -> Sequence[Finding]:
        """Return all findings since an instant, of one key or of all, in order of time."""
        ...

    async def alerts(self, wanted: Iterable[AlertId]) -> Sequence[Alert]:
        """Return the alerts of these ids that are held, in order of time."""
        ...

    async def action(self, action: ActionId) -> Action | None:
        """Return one action, or None."""
        ...

    async def actions(
        self, *, incident: IncidentId | None = None, states: Iterable[ActionState] = ()
    ) -> Sequence[Action]:
        """Return the actions of an incident (None: of all) in these states (none: in any), as planned."""
        ...


class Outbox(Protocol):
    """Holds notices until their receivers have them; what was added outlives a kill of the process.

    A notice's id and a receiver's name make a delivery, and there is one of each, so whoever is not sure
    that a notice was added adds it again.
    """

    async def add(self, told: Iterable[tuple[Notice, Sequence[ReceiverName]]], at: Instant) -> int:
        """Add notices for receivers, all or nothing, and return how many deliveries are new.

        A delivery that is there stays as it stands.
        """
        ...

    async def due(
        self, at: Instant, *, each: int, besides: Collection[ReceiverName] = ()
    ) -> Sequence[Parcel]:
        """Return what is to be delivered now in the order it was added, at most ``each`` a receiver.

        What is for those of ``besides`` is left out: they are being delivered to.

        Of one thread and receiver only the first that waits is returned, and nothing while that waits
        for its next attempt: no notice overtakes an earlier one of its incident.
        """
        ...

    async def next_at(self, *, besides: Collection[ReceiverName] = ()) -> Instant | None:
        """Return when the next delivery to anybody else is due, or None where none waits."""
        ...

    async def mark(self, before: Delivery, after: Delivery) -> None:
        """Replace a delivery.

        Raises:
            StoreConflict: it is no longer as ``before`` says.
        """
        ...

    async def held(self, state: DeliveryState, *, most: int) -> Sequence[Parcel]:
        """Return the deliveries in a state, those changed last first."""
        ...

    async def counts(self) -> Mapping[tuple[ReceiverName, DeliveryState], int]:
        """Return how many deliveries there are by receiver and state."""
        ...

    async def forget(self, before: Instant) -> int:
        """Remove what was sent or given up before an instant, and return how many deliveries went."""
        ...


class Receiver(Protocol):
    """Whoever is to be told: a program, a chat, a pager, a mailbox, a log."""

    async def deliver(self, notice: Notice, at: Instant) -> Reception:
        """Try once to hand a notice over, within a bounded time, and return how that ended."""
        ...
