"""Behind ``chatelaine notify``: the receivers of the settings, and the outbox, with or without a hub."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from chatelaine.adapters.sqlite import SqliteOutbox, open_outbox
from chatelaine.adapters.telemetry import Tally
from chatelaine.app.census import label_values
from chatelaine.app.errand import run_errand
from chatelaine.app.notices import subscriptions
from chatelaine.app.wire import CLOCK, Places, read_settings
from chatelaine.model.error import NoticeUnknown
from chatelaine.model.link import Act, RecordAct
from chatelaine.model.notice import Delivery, DeliveryState, Parcel, Reception, Taken
from chatelaine.model.settings import NotifySettings, Settings
from chatelaine.model.words import NoticeId, ReceiverName
from chatelaine.services.notice import Courier, Subscriptions
from chatelaine.surfaces.cli.notify import ReceiverTold
from chatelaine.surfaces.cli.options import Chosen

_LISTED = 1000
_T = TypeVar("_T")
_Counts = Mapping[tuple[ReceiverName, DeliveryState], int]


class Notices:
    """Works on the outbox of one storage directory."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._places = Places(settings.storage.directory.resolve())

    def receivers(self) -> Sequence[ReceiverTold]:
        """Return the receivers of the settings, and what the outbox holds for each."""
        counts: _Counts = {}
        if self._places.notices.exists():
            counts = self._with_outbox(lambda outbox: outbox.counts())
        return [_told(one, counts) for one in self._settings.notify]

    def dead(self) -> Sequence[Parcel]:
        """Return what was given up, the newest first."""
        if not self._places.notices.exists():
            return ()
        return self._with_outbox(lambda outbox: outbox.held(DeliveryState.DEAD, most=_LISTED))

    def retry(self, notice: NoticeId | None, receiver: ReceiverName | None, *, by: str) -> Sequence[Delivery]:
        """Have dead deliveries tried again, and record who wanted that; None stands for any.

        Raises:
            NoticeUnknown: there are none such.
            ChatelaineError: the outbox cannot be used, or it cannot be recorded.
        """

        def wanted(delivery: Delivery) -> bool:
            return notice in {None, delivery.notice} and receiver in {None, delivery.receiver}

        again: Sequence[Delivery] = ()
        if self._places.notices.exists():
            again = self._with_outbox(lambda outbox: self._courier(outbox, {}).retry(wanted))
        if not again:
            raise NoticeUnknown(
                "no such notice was given up", hint="chatelaine notify dead lists those that were"
            )
        detail = f"notice {notice or 'any'}, receiver {receiver or 'any'}: {len(again)} deliveries"
        self._record(Act.RETRY_NOTICE, by, "done", detail)
        return again

    def test(self, name: ReceiverName, *, by: str) -> Reception:
        """Send a receiver a test, and record how that ended.

        Raises:
            ReceiverUnknown: the settings name no such receiver.
            ChatelaineError: its secret cannot be read, or it cannot be recorded.
        """
        wanted = tuple(one for one in self._settings.notify if one.name == name)
        # A secret of another receiver that cannot be read is no reason not to try this one.
        found = subscriptions(wanted)
        how = self._with_outbox(lambda outbox: self._courier(outbox, found).send_test(name, by=by))
        outcome = "done" if isinstance(how, Taken) else "failed"
        detail = f"receiver {name}" if isinstance(how, Taken) else f"receiver {name}: {how.fault}"
        self._record(Act.TEST_RECEIVER, by, outcome, detail)
        return how

    def _courier(self, outbox: SqliteOutbox, found: Subscriptions) -> Courier:
        tally = Tally(label_values(self._settings))
        return Courier(outbox=outbox, clock=CLOCK, telemetry=tally, subscriptions=lambda: found)

    def _with_outbox(self, work: Callable[[SqliteOutbox], Awaitable[_T]]) -> _T:
        self._places.prepare()
        outbox = open_outbox(self._places.notices)
        try:
            return asyncio.run(_awaited(work(outbox)))
        finally:
            outbox.close()

    def _record(self, act: Act, by: str, outcome: str, detail: str) -> None:
        run_errand(self._settings, RecordAct(act=act, by=by, outcome=outcome, detail=detail))


async def _awaited(work: Awaitable[_T]) -> _T:
    return await work


def _told(one: NotifySettings, counts: _Counts) -> ReceiverTold:
    waiting = sum(
        counts.get((one.name, state), 0) for state in (DeliveryState.PENDING, DeliveryState.RETRYING)
    )
    return ReceiverTold(
        name=one.name,
        kind=one.kind,
        # Of a URL the host alone: paths of webhooks are secrets as often as not.
        where=one.host or (urlsplit(one.url).hostname if one.url is not None else "") or "",
        min_severity=one.min_severity.value,
        owners=one.owners,
        waiting=waiting,
        sent=counts.get((one.name, DeliveryState.SENT), 0),
        dead=counts.get((one.name, DeliveryState.DEAD), 0),
    )


def begin(chosen: Chosen) -> Notices:
    """Return what the command works with."""
    return Notices(read_settings(chosen.path, chosen.overrides))
