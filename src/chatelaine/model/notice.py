"""Nouns of notices: what is told to people and their systems, and how far each telling has come.

A notice holds names, numbers and sentences of ours. It never holds a prompt, a reply or a token.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from chatelaine.model.detection import Severity
from chatelaine.model.words import NEVER, IncidentId, Instant, KeyId, NoticeId, OwnerId, ReceiverName


class NoticeKind(StrEnum):
    """What a notice tells of."""

    INCIDENT_OPENED = "incident_opened"
    CONTAINED = "contained"
    """A playbook has shut the thief out; nobody needs to hurry."""
    ACTION_NEEDED = "action_needed"
    """Somebody has to decide."""
    CLOSED = "closed"
    TEST = "test"
    """Somebody tries whether a receiver can be reached."""


class NoticeLink(Struct, frozen=True):
    """Where more is to be read."""

    title: str
    url: str


class Notice(Struct, frozen=True, kw_only=True):
    """One thing to be told, in words for people and in facts for their programs."""

    id: NoticeId
    """Derived from what it tells, so that telling it twice tells it once."""
    at: Instant
    kind: NoticeKind
    severity: Severity
    title: str
    summary: str
    incident: IncidentId = IncidentId("")
    key: KeyId = KeyId("")
    owner: OwnerId = OwnerId("")
    facts: tuple[tuple[str, str], ...] = ()
    links: tuple[NoticeLink, ...] = ()
    dedup: str = ""
    """What a receiver joins notices by; without one, the incident, or else the notice itself."""

    @property
    def thread(self) -> str:
        """What this notice belongs together with; within a thread none overtakes another."""
        return self.dedup or self.incident or self.id


@dataclass(frozen=True, slots=True)
class Origin:
    """Which Chatelaine speaks."""

    host: str
    version: str


class ReceiverKind(StrEnum):
    """What a receiver is."""

    WEBHOOK = "webhook"
    """Any program that reads signed JSON (Standard Webhooks)."""
    SLACK = "slack"
    PAGERDUTY = "pagerduty"
    EMAIL = "email"
    SYSLOG = "syslog"
    SPLUNK = "splunk"
    ELASTIC = "elastic"


class DeliveryState(StrEnum):
    """How far one notice has come on its way to one receiver."""

    PENDING = "pending"
    """It was not tried yet."""
    RETRYING = "retrying"
    SENT = "sent"
    DEAD = "dead"
    """It was refused, or tried as often as it may be; somebody may have it tried again."""


class DeliveryInput(StrEnum):
    """What can happen to a delivery."""

    TAKEN = "taken"
    """The receiver has it."""
    PUT_OFF = "put_off"
    """It failed in a way that may pass."""
    GIVEN_UP = "given_up"
    """It was refused for good, or this was the last attempt."""
    REQUEUED = "requeued"
    """Somebody wants it tried again, now and as often as the first time."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice on its way to one receiver."""

    notice: NoticeId
    receiver: ReceiverName
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    next_at: Instant = NEVER
    """When it is tried next, while it is pending or retrying."""
    changed_at: Instant = NEVER
    fault: str = ""
    """Why the last attempt failed, without secrets."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery with what is delivered."""

    notice: Notice
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Taken:
    """The receiver has the notice."""


@dataclass(frozen=True, slots=True)
class PutOff:
    """The receiver did not take the notice, and may do so later."""

    fault: str
    after: timedelta | None = None
    """How long the receiver asks to be left alone."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The receiver will never take the notice as it is."""

    fault: str


Reception: TypeAlias = Taken | PutOff | Refused
"""How an attempt ended."""


@dataclass(frozen=True, slots=True)
class Posting:
    """An HTTP request that carries a notice: what an adapter sends, byte for byte."""

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a posting; of the body its beginning."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
