"""What tests of notices have in common: a notice, and receivers made from settings as the hub makes them."""

import asyncio
import os
from datetime import timedelta
from typing import Any

from chatelaine.app.notices import receiver
from chatelaine.model.detection import Severity
from chatelaine.model.notice import Notice, NoticeKind, NoticeLink, Origin, ReceiverKind, Reception
from chatelaine.model.settings import NotifySettings, Secret
from chatelaine.model.words import IncidentId, Instant, KeyId, NoticeId, OwnerId, ReceiverName

AT = Instant(1_720_000_000_000_000_000)
ORIGIN = Origin("gate-1.example", "1.2.3")

NOTICE = Notice(
    id=NoticeId("msg_0123456789abcdef01234567"),
    at=AT,
    kind=NoticeKind.INCIDENT_OPENED,
    severity=Severity.HIGH,
    title="A foreign client uses key AAAAAAAAA – »now«",
    summary="Twelve requests from AS64500 in four seconds.\nThe owner was never there.",
    incident=IncidentId("inc_000000000001"),
    key=KeyId("AAAAAAAAA"),
    owner=OwnerId("acme"),
    facts=(("network", "AS64500"), ("a=b|c", '\\ "quoted" <!channel>')),
    links=(NoticeLink("Open the incident", "https://console.example/incidents/inc_000000000001"),),
)


def settings(kind: ReceiverKind, **fields: Any) -> NotifySettings:
    """Return a receiver's settings; a ``secret`` is a variable's value."""
    if isinstance(fields.get("secret"), str):
        os.environ["CHATELAINE_TEST_SECRET"] = fields["secret"]
        fields["secret"] = Secret("env:CHATELAINE_TEST_SECRET")
    given = {"name": ReceiverName("it"), "patience": timedelta(seconds=5), **fields}
    return NotifySettings(kind=kind, **given)


def deliver(kind: ReceiverKind, notice: Notice = NOTICE, **fields: Any) -> Reception:
    """Try once to deliver a notice to a receiver with these settings."""
    return asyncio.run(receiver(settings(kind, **fields), ORIGIN).deliver(notice, AT))
