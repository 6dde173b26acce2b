"""The command line's errands: asked of the hub while it runs, done on the store while it does not."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from chatelaine.adapters.journal import SegmentJournal
from chatelaine.adapters.restraint_file import open_restraint_file
from chatelaine.adapters.sqlite import open_key_store
from chatelaine.app.commands import Clerk, Nobody, acted
from chatelaine.app.locks import hub_lock, supervised
from chatelaine.app.recovery import durable
from chatelaine.app.restraining import carry_out, is_restraining
from chatelaine.app.wire import CLOCK, ENTROPY, Places, peppers, sealer
from chatelaine.core.link import REPLIES, Frames, frame
from chatelaine.model.error import ChatelaineError, HubUnreachable, WireError
from chatelaine.model.link import ActRecorded, Command, RecordAct, Refused, Reply
from chatelaine.model.settings import Settings
from chatelaine.model.words import WorkerNumber
from chatelaine.services.key import KeyKeeper
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
    with _hub_journal(settings, places) as journal:
        store = open_key_store(places.store)
        try:
            yield KeyKeeper(
                store=store,
                clock=CLOCK,
                entropy=ENTROPY,
                sealer=sealer(settings, places),
                peppers=peppers(settings, places),
                record=journal.append,
                publish=_nobody,
                publish_provider_keys=_nobody,
            )
        finally:
            store.close()


def _nobody(changed: object) -> None:
    """Publish to nobody: no gate is running."""
