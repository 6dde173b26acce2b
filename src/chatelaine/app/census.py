"""What the hub shows of the whole service: why it is not ready, and what all processes have counted."""

from collections import Counter
from collections.abc import Mapping, Sequence

from chatelaine import __version__
from chatelaine.adapters.prices import load_prices
from chatelaine.adapters.telemetry import Tally, exposition
from chatelaine.catalog import providers
from chatelaine.core.metric import BUILD, KEYS, WORKERS
from chatelaine.model.key import KeyState
from chatelaine.model.link import WorkerHello, WorkerTold
from chatelaine.model.settings import Settings
from chatelaine.model.words import WorkerNumber
from chatelaine.surfaces.switchboard import Line, Switchboard

STANDINGS = ("ready", "starting", "draining", "missing")


def label_values(settings: Settings) -> dict[str, frozenset[str]]:
    """Return the values that labels may have by cards and settings."""
    cards = [provider.card for provider in providers().values()]
    return {
        "provider": frozenset(str(card.id) for card in cards),
        "route": frozenset(route.path for card in cards for route in card.routes),
        "upstream": frozenset(str(upstream.name) for upstream in settings.upstreams),
        "sink": frozenset(str(receiver.name) for receiver in settings.notify),
        "model": frozenset(row.model.rstrip("*") for row in load_prices(settings.prices.file).rows),
        "version": frozenset({__version__}),
    }


def worker_reasons(workers: Sequence[WorkerTold]) -> list[str]:
    """Return why the gate workers do not let the service be ready."""
    found = []
    for one in workers:
        standing = _standing(one)
        if standing != "ready":
            found.append(f"worker {one.worker} is {standing}")
        elif not one.journal:
            found.append(f"worker {one.worker} cannot write its journal")
    return found


def _standing(one: WorkerTold) -> str:
    if not one.connected:
        return "missing"
    if one.draining:
        return "draining"
    return "ready" if one.ready else "starting"


class Census:
    """Adds up what the hub and all workers count, also those that have gone."""

    def __init__(self, own: Tally, switchboard: Switchboard) -> None:
        self._own = own
        self._switchboard = switchboard
        self._departed: dict[WorkerNumber, Line] = {}

    def note_gone(self, line: Line) -> None:
        """Keep what a worker has counted until it is known whether it has died or only comes back."""
        self._settle(line.hello)
        self._departed[line.hello.worker] = line

    def metrics(self, configured: Mapping[str, frozenset[str]]) -> str:
        """Return all metrics in Prometheus' text format."""
        for line in self._switchboard.lines:
            self._settle(line.hello)
        _show_now(self._own, self._switchboard)
        total = Tally(configured)
        total.merge(self._own.snapshot())
        for line in self._switchboard.lines:
            total.merge(line.snapshot)
        for line in self._departed.values():
            total.merge_counted(line.snapshot)
        return exposition(total.snapshot())

    def _settle(self, hello: WorkerHello) -> None:
        """Count a departed worker for good where another process has its number; else it tells all anew."""
        before = self._departed.pop(hello.worker, None)
        if before is not None and before.hello.pid != hello.pid:
            self._own.merge_counted(before.snapshot)


def _show_now(own: Tally, switchboard: Switchboard) -> None:
    own.show(BUILD, __version__, value=1)
    states = Counter(key.state for key in switchboard.keys.values())
    for state in KeyState:
        own.show(KEYS, state, value=states[state])
    standings = Counter(_standing(one) for one in switchboard.told())
    for standing in STANDINGS:
        own.show(WORKERS, standing, value=standings[standing])
