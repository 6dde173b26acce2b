"""Rates of their own for what is held back, so that a thief's requests take none of the owner's."""

from typing import Final

from chatelaine.core.limit import EMPTY, admit
from chatelaine.model.exchange import Reservation
from chatelaine.model.limit import Allowance, MeterRow
from chatelaine.model.words import Instant

_MOST_NAMES: Final = 4096
_NOTHING: Final = Reservation()


class Paces:
    """Counts requests a minute by name, in one worker; each worker grants its share of a rate."""

    __slots__ = ("_number", "_rows", "_workers")

    def __init__(self, number: int, workers: int) -> None:
        """Take which of how many workers this is, from 1."""
        self._number = number
        self._workers = workers
        self._rows: dict[str, MeterRow] = {}

    def take(self, name: str, per_minute: int, now: Instant) -> int:
        """Count a request and return 0, or return the seconds until the rate has room for it."""
        rows = self._rows
        row, short = admit(
            rows.get(name, EMPTY), Allowance(requests_per_minute=self._share(per_minute)), _NOTHING, now
        )
        if short is not None:
            return short.retry_after
        if name not in rows and len(rows) >= _MOST_NAMES:
            # The one that began longest ago gives way.
            del rows[next(iter(rows))]
        rows[name] = row
        return 0

    def _share(self, per_minute: int) -> int:
        # Connections are spread over the workers: a rate smaller than their number lets one through each.
        whole, rest = divmod(per_minute, self._workers)
        return max(whole + (self._number <= rest), 1)
