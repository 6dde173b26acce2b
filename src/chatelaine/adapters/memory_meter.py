"""The meter in memory, for one process: tests and rehearsals."""

from chatelaine.core.limit import EMPTY, admit, release, settle
from chatelaine.model.exchange import Reservation
from chatelaine.model.limit import Allowance, Charge, MeterRow, Shortfall
from chatelaine.model.words import NEVER, Instant


class MemoryMeter:
    """Counts in a dictionary."""

    def __init__(self) -> None:
        self._rows: dict[int, MeterRow] = {}

    def reserve(self, slot: int, allowance: Allowance, asked: Reservation, now: Instant) -> Shortfall | None:
        """Take a reservation if every limit has room for it; else say which has not."""
        row, short = admit(self.row(slot), allowance, asked, now)
        if short is None:
            self._rows[slot] = row
        return short

    def settle(self, slot: int, charge: Charge, now: Instant) -> None:
        """Give a reservation back and count what was really used."""
        self._rows[slot] = settle(self.row(slot), charge, now)

    def release(self, slot: int, asked: Reservation, now: Instant, reserved_at: Instant = NEVER) -> None:
        """Give back the reservation of an exchange that never went upstream."""
        self._rows[slot] = release(self.row(slot), asked, now, reserved_at)

    def row(self, slot: int) -> MeterRow:
        """Return the counters of a key."""
        return self._rows.get(slot, EMPTY)
