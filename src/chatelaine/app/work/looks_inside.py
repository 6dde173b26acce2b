"""The doctor's looks at what the service itself holds: store, journal, ports, processes."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from chatelaine.adapters.journal import check, mend
from chatelaine.adapters.sqlite import SqliteOutbox, open_outbox
from chatelaine.app.errand import ask
from chatelaine.app.listening import bind_admin, bind_gate
from chatelaine.app.locks import supervised
from chatelaine.app.notices import subscriptions
from chatelaine.app.wire import Places
from chatelaine.model.error import ChatelaineError, ProcessFailed
from chatelaine.model.link import ReadStatus, StatusTold
from chatelaine.model.notice import DeliveryState
from chatelaine.model.settings import Settings
from chatelaine.model.words import ReceiverName
from chatelaine.surfaces.cli.doctor import Diagnosis, Level


def look_at_store(settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Have SQLite check the store of keys, read-only."""
    del settings
    if not places.store.exists():
        yield Diagnosis("store", Level.OK, "no key was issued yet")
        return
    fix = f"restore {places.store.name} from a copy; the gates go on with the keys they hold"
    try:
        with closing(sqlite3.connect(f"{places.store.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            said = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(5)")]
    except sqlite3.Error as error:
        yield Diagnosis("store", Level.FAIL, f"{places.store}: {error}", fix)
        return
    if said == ["ok"]:
        yield Diagnosis("store", Level.OK, f"{places.store} is whole")
    else:
        yield Diagnosis("store", Level.FAIL, f"{places.store}: {'; '.join(said)}", fix)


def look_at_journal(settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Read every segment of the journal."""
    del settings
    faults = check(places.journal) if places.journal.is_dir() else []
    for fault in faults:
        yield Diagnosis("journal", Level.FAIL, fault.message, fault.hint)
    if not faults:
        yield Diagnosis("journal", Level.OK, "every segment can be read to its end")


def mend_segment(path: Path, settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Mend a damaged segment."""
    del settings, places
    yield Diagnosis("mending", Level.OK, f"{path} is mended; the damaged file lies at {mend(path)}")


def look_at_ports(settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Try the ports, where the service does not hold them itself."""
    if supervised(places.lock):
        return
    gate, admin = settings.gate, settings.admin
    try:
        for each in (
            *bind_gate(gate.host, gate.port, 1, patience=0),
            bind_admin(admin.host, admin.port, patience=0),
        ):
            each.close()
    except ProcessFailed as error:
        yield Diagnosis("ports", Level.FAIL, error.message, error.hint)
    else:
        yield Diagnosis("ports", Level.OK, f"{gate.host}:{gate.port} and {admin.host}:{admin.port} are free")


def look_at_service(settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Ask the hub how it and the workers stand."""
    del settings
    if not supervised(places.lock):
        yield Diagnosis("service", Level.WARN, "it is not running", "chatelaine up")
        return
    try:
        told = asyncio.run(ask(places.socket, ReadStatus()))
    except ChatelaineError as error:
        yield Diagnosis(
            "service", Level.FAIL, error.message, "the supervisor starts the hub again; see its log"
        )
        return
    if isinstance(told, StatusTold):
        for reason in told.reasons:
            yield Diagnosis("service", Level.FAIL, reason, "see the log of `chatelaine up`")
        if not told.reasons:
            yield Diagnosis(
                "service", Level.OK, f"the hub and {len(told.workers)} workers are ready, {told.keys} keys"
            )


def look_at_notices(settings: Settings, places: Places) -> Iterator[Diagnosis]:
    """Build the receivers of notices, and count what was given up; nothing is sent."""
    subscriptions(settings.notify)
    if not places.notices.exists():
        yield Diagnosis("notices", Level.OK, f"{len(settings.notify)} receivers, and nothing was sent yet")
        return
    with closing(open_outbox(places.notices)) as outbox:
        counts = asyncio.run(_counts(outbox))
    dead = Counter({name: count for (name, state), count in counts.items() if state is DeliveryState.DEAD})
    for name, count in dead.items():
        fix = "chatelaine notify dead says why, chatelaine notify retry begins anew"
        yield Diagnosis("notices", Level.WARN, f"{count} notices to {name} were given up", fix)
    if not dead:
        yield Diagnosis("notices", Level.OK, f"{len(settings.notify)} receivers, and nothing was given up")


async def _counts(outbox: SqliteOutbox) -> Mapping[tuple[ReceiverName, DeliveryState], int]:
    return await outbox.counts()
