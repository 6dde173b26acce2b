"""The one tree of errors.

::

    ChatelaineError
    ├── SettingsError        the settings cannot be used (all faults at once)
    ├── UsageError           a command was called wrongly
    ├── KeyNotFound          no key has this id
    ├── RestraintNotFound    no restraint has this id
    ├── TransitionRefused    the life cycle does not allow this step
    ├── TokenMalformed       a string is not a token of ours
    ├── StoreError           → StoreCorrupt, StoreConflict
    ├── JournalError         → JournalUnavailable, SegmentCorrupt, RecordUnknown
    ├── SealError            a provider key cannot be opened
    ├── SecretUnreadable     a secret is not where the settings say
    ├── WireError            bytes of a peer break a protocol → BodyUnreadable
    ├── UpstreamError        → AddressRefused, UpstreamUnreachable
    ├── TableError           a file of addresses or prices cannot be used
    ├── MeterError           the meter's file cannot be used
    ├── CaptureError         captured content cannot be read → CaptureUnknown, CaptureDamaged
    ├── CardError            shelf items cannot be used (all faults at once)
    ├── HubUnreachable       the hub does not answer
    └── ProcessFailed        a process of ours would not stay up

Each error carries ``reason`` (snake case, the metric label), a message without secrets,
and a ``hint``: which setting or command mends it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class ChatelaineError(Exception):
    """The root: a fault that somebody can do something about."""

    reason: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a file: where it stands and how it is mended."""

    where: str
    """``file:line:column`` or the name of the environment variable."""
    message: str
    hint: str = ""


class SettingsError(ChatelaineError):
    """The settings cannot be used; ``faults`` holds every fault that was found."""

    reason: ClassVar[str] = "settings"

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(_line(fault) for fault in self.faults))


def _line(fault: Fault) -> str:
    line = f"{fault.where}: {fault.message}"
    return f"{line}\n  {fault.hint}" if fault.hint else line


class UsageError(ChatelaineError):
    """A command was called with arguments that make no sense."""

    reason: ClassVar[str] = "usage"


class KeyNotFound(ChatelaineError):
    """No key has this id."""

    reason: ClassVar[str] = "key_not_found"


class RestraintNotFound(ChatelaineError):
    """No restraint has this id."""

    reason: ClassVar[str] = "restraint_not_found"


class TransitionRefused(ChatelaineError):
    """The life cycle does not allow this step from where the key stands."""

    reason: ClassVar[str] = "transition_refused"


class TokenMalformed(ChatelaineError):
    """A string is not a token of ours: shape, alphabet or checksum are wrong."""

    reason: ClassVar[str] = "token_malformed"


class StoreError(ChatelaineError):
    """The store of keys cannot be used."""

    reason: ClassVar[str] = "store"


class StoreCorrupt(StoreError):
    """The store's file is damaged."""

    reason: ClassVar[str] = "store_corrupt"


class StoreConflict(StoreError):
    """A row changed between being read and being written."""

    reason: ClassVar[str] = "store_conflict"


class JournalError(ChatelaineError):
    """The journal cannot be used."""

    reason: ClassVar[str] = "journal"


class JournalUnavailable(JournalError):
    """Records cannot be made durable at present: disk full, read-only or failing."""

    reason: ClassVar[str] = "journal_unavailable"


class SegmentCorrupt(JournalError):
    """A journal segment is damaged before its end; ``good`` records could still be read."""

    reason: ClassVar[str] = "segment_corrupt"

    def __init__(self, message: str, *, hint: str = "", offset: int = 0, good: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.offset = offset
        self.good = good


class RecordUnknown(JournalError):
    """A record's kind or version is not known to this release."""

    reason: ClassVar[str] = "record_unknown"


class SealError(ChatelaineError):
    """A provider key cannot be opened: wrong key-encryption key, or the row was moved or changed."""

    reason: ClassVar[str] = "seal"


class SecretUnreadable(ChatelaineError):
    """A secret cannot be read from where the settings say it is."""

    reason: ClassVar[str] = "secret_unreadable"


class WireError(ChatelaineError):
    """Bytes of a peer break a protocol; ``clause`` names the rule."""

    reason: ClassVar[str] = "wire"

    def __init__(self, message: str, *, clause: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.clause = clause


class BodyUnreadable(WireError):
    """A body is not what its grammar says it is."""

    reason: ClassVar[str] = "body_unreadable"


class UpstreamError(ChatelaineError):
    """An upstream cannot be used."""

    reason: ClassVar[str] = "upstream"


class AddressRefused(UpstreamError):
    """An upstream's name resolves to an address it may not be reached at."""

    reason: ClassVar[str] = "address_refused"


class UpstreamUnreachable(UpstreamError):
    """No connection to the upstream could be made."""

    reason: ClassVar[str] = "upstream_unreachable"


class TableError(ChatelaineError):
    """A file of addresses or prices cannot be used."""

    reason: ClassVar[str] = "table"


class MeterError(ChatelaineError):
    """The meter's file cannot be used."""

    reason: ClassVar[str] = "meter"


class CaptureError(ChatelaineError):
    """Captured content cannot be read or kept."""

    reason: ClassVar[str] = "capture"


class CaptureUnknown(CaptureError):
    """Nothing is kept of this exchange."""

    reason: ClassVar[str] = "capture_unknown"


class CaptureDamaged(CaptureError):
    """A segment of captured content is damaged, or what it says of a content was changed."""

    reason: ClassVar[str] = "capture_damaged"


class CardError(ChatelaineError):
    """Items of a shelf cannot be used; ``faults`` holds every fault that was found."""

    reason: ClassVar[str] = "card"

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(_line(fault) for fault in self.faults))


class HubUnreachable(ChatelaineError):
    """The hub does not answer on its socket."""

    reason: ClassVar[str] = "hub_unreachable"


class ProcessFailed(ChatelaineError):
    """A process of ours could not start or would not stay up."""

    reason: ClassVar[str] = "process_failed"
