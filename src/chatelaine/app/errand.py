"""The command line's errands: asked of the hub while it runs, done on the store while it does not."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar

from chatelaine.adapters.journal import SegmentJournal
from chatelaine.adapters.restraint_file import open_restraint_file
from chatelaine.adapters.sqlite import SqliteKeyStore, open_incident_store, open_key_store
from chatelaine.app.commands import Clerk, Nobody, acted
from chatelaine.app.incident_desk import IncidentDesk, TokenBox, hands
from chatelaine.app.locks import hub_lock, supervised
from chatelaine.app.recovery import durable
from chatelaine.app.restraining import carry_out, is_restraining, lift_by_plan, restrain_by_plan
from chatelaine.app.wire import CLOCK, ENTROPY, Places, peppers, sealer
from chatelaine.catalog import playbooks
from chatelaine.core.link import REPLIES, Frames, frame
from chatelaine.core.playbook.past import Spent
from chatelaine.model.desk import IncidentCommand
from chatelaine.model.error import ChatelaineError, HubUnreachable, WireError
from chatelaine.model.link import ActRecorded, Command, RecordAct, Refused, Reply
from chatelaine.model.playbook import Action
from chatelaine.model.settings import Settings
from chatelaine.model.words import OwnerId, WorkerNumber
from chatelaine.services.incident import IncidentKeeper
from chatelaine.services.key import KeyKeeper
from chatelaine.services.playbook import Responder
from chatelaine.services.restraint import RestraintKeeper

_PATIENCE = 10.0
"""Seconds an answer may take."""
_RESTART = 5.0
"""Seconds a hub that was killed may take to be back."""
_LOOK = 0.05
_READ = 256 * 1024


class CommandRefused(ChatelaineError):
    """The hub did not carry a command out; it says why."""

    reason: ClassVar[str] = "command_refused"


def run_errand(settings: Settings, command: Command) -> Reply:
    """Carry a command out and return the reply.

    Raises:
        ChatelaineError: it was refused, or neither hub nor store can be used.
    """
    places = Places(settings.storage.directory.resolve())
    reply = asyncio.run(_carry_out(settings, places, command))
    if isinstance(reply, Refused):
        raise CommandRefused(reply.message, hint=reply.hint)
    return reply


async def _carry_out(settings: Settings, places: Places, command: Command) -> Reply:
    until = time.monotonic() + _RESTART
    while True:
        try:
            return await ask(places.socket, command)
        except HubUnreachable:
            if not supervised(places.lock):
                return await _work(settings, places, command)
            if time.monotonic() > until:
                raise
        await asyncio.sleep(_LOOK)


async def ask(path: Path, command: Command) -> Reply:
    """Ask the hub and return its reply.

    Raises:
        HubUnreachable: nobody listens there.
        ChatelaineError: it did not answer, or what it answered is no reply.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(str(path))
    except OSError as error:
        raise HubUnreachable(
            f"nobody answers on {path}: {error.strerror}", hint="is `chatelaine up` running?"
        ) from error
    try:
        writer.write(frame(command))
        async with asyncio.timeout(_PATIENCE):
            return await _reply(reader)
    except TimeoutError as error:
        raise ChatelaineError(
            f"the hub did not answer within {_PATIENCE:g} s", hint="look at its log"
        ) from error
    finally:
        writer.close()


async def _reply(reader: asyncio.StreamReader) -> Reply:
    frames = Frames(REPLIES)
    try:
        while data := await reader.read(_READ):
            for message in frames.feed(data):
                if isinstance(message, Reply):
                    return message
    except OSError as error:
        raise ChatelaineError(f"the hub's answer was cut off: {error.strerror}") from error
    raise WireError("the hub closed the line without an answer", hint="look at its log")


async def _work(settings: Settings, places: Places, command: Command) -> Reply:
    """Carry a command out on the store itself."""
    if isinstance(command, RecordAct):
        with _hub_journal(settings, places) as journal:
            journal.append(acted(command, CLOCK.now()))
            await durable(journal)
        return ActRecorded()
    if isinstance(command, IncidentCommand):
        with _desk(settings, places) as desk:
            return await desk.carry_out(command)
    with _keeper(settings, places) as keeper:
        if is_restraining(command):
            return await carry_out(command, _restraints(places, keeper), keeper, Nobody())
        return await Clerk(keeper, settings, Nobody()).carry_out(command)


def _restraints(places: Places, keeper: KeyKeeper) -> RestraintKeeper:
    """Return the keeper of restraints beside a keeper of keys, whose lock and journal it shares."""
    return RestraintKeeper(
        store=open_restraint_file(places.restraints),
        clock=CLOCK,
        entropy=ENTROPY,
        record=keeper.record,
        publish=lambda added, lifted: _nobody((added, lifted)),
    )


@contextmanager
def _hub_journal(settings: Settings, places: Places) -> Iterator[SegmentJournal]:
    """Hold the hub's place: its lock and its journal."""
    places.prepare()
    with hub_lock(places.root, patience=_RESTART):
        journal = SegmentJournal(places.journal, WorkerNumber(0), settings.journal, CLOCK)
        try:
            yield journal
        finally:
            journal.close()


@contextmanager
def _keeper(settings: Settings, places: Places) -> Iterator[KeyKeeper]:
    """Hold the hub's place, and its store."""
    with _hub_journal(settings, places) as journal, closing(open_key_store(places.store)) as store:
        yield _key_keeper(settings, places, store, journal)


def _key_keeper(
    settings: Settings, places: Places, store: SqliteKeyStore, journal: SegmentJournal
) -> KeyKeeper:
    return KeyKeeper(
        store=store,
        clock=CLOCK,
        entropy=ENTROPY,
        sealer=sealer(settings, places),
        peppers=peppers(settings, places),
        record=journal.append,
        publish=_nobody,
        publish_provider_keys=_nobody,
    )


@contextmanager
def _desk(settings: Settings, places: Places) -> Iterator[IncidentDesk]:
    """Hold the hub's place, and what works on incidents while no gate runs.

    Gates are told what is restrained when they start; what needs the past or people needs the hub.
    """
    with (
        _hub_journal(settings, places) as journal,
        closing(open_key_store(places.store)) as key_store,
        closing(open_incident_store(places.incidents)) as store,
    ):
        keeper = IncidentKeeper(
            store=store,
            clock=CLOCK,
            record=journal.append,
            notify=lambda _, __: None,
            day_left=lambda _: None,
            past=lambda _, __: (),
            alarm=_nobody,
        )
        keys, tokens = _key_keeper(settings, places, key_store, journal), TokenBox()
        restraints = _restraints(places, keys)
        responder = Responder(
            store=store,
            clock=CLOCK,
            record=journal.append,
            playbooks=playbooks(),
            hands=hands(
                keys,
                tokens,
                restrain=partial(restrain_by_plan, restraints),
                lift=partial(lift_by_plan, restraints),
                notify=_needs_hub,
            ),
            past=_no_past,
            known=lambda _, __: False,
            changed=keeper.note_action,
        )
        yield IncidentDesk(keeper, responder, tokens)


async def _needs_hub(action: Action) -> None:
    """Refuse what the hub alone can do."""
    raise HubUnreachable(
        f"{action.wanted.audience} cannot be told while the hub is down", hint="start it: chatelaine up"
    )


async def _no_past(owner: OwnerId, days: int) -> tuple[Spent, ...]:
    """Refuse a rehearsal without the hub."""
    raise HubUnreachable(
        f"{days} days of {owner} cannot be rehearsed while the hub is down", hint="start it: chatelaine up"
    )


def _nobody(changed: object) -> None:
    """Publish to nobody: no gate is running."""
