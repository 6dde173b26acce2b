"""The meter over a file that all workers map: exact counts under one short lock.

A row is a line of 64-bit integers: the counters of ``MeterRow``, then for each worker what it
holds and how many exchanges it runs. The lock is ``flock``, which the kernel drops with its
holder, so a worker may be killed between any two of its stores. Their order keeps that harmless:
money is counted before a hold is given back, and a worker's own columns stand at or above what
it holds at every moment, so that clearing them leaves exactly what the living hold.

A process opens the meter for itself: the lock belongs to the open file, which a fork would share,
and so do threads. What the gate calls is called on its loop alone; the hub's part (``charge``,
``clear_worker``, ``rebuild``, ``row``) may be called by several threads, but not beside the gate's.
"""

import fcntl
import os
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from mmap import mmap
from pathlib import Path
from threading import Lock
from typing import Final

from msgspec.structs import astuple, replace

from chatelaine.core.limit import admit, release, restore, settle, spend
from chatelaine.model.error import MeterError
from chatelaine.model.exchange import Reservation
from chatelaine.model.limit import Allowance, Charge, MeterRow, Shortfall, Spent
from chatelaine.model.words import NEVER, Instant, NanoUsd, WorkerNumber

_MAGIC: Final = b"chlnmtr2"
_HEADER: Final = struct.Struct("=8sqq40s")
"""Magic, columns, whether it was closed by its last user, and the boot it was last used in."""
_HEADER_SIZE: Final = 64
_TOTALS: Final = struct.Struct("=11q")
_OWN: Final = struct.Struct("=2q")
_GROWTH: Final = 256
"""Rows a file grows by."""
_MOST_SLOTS: Final = 1 << 24
_BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Not final, for a test that lets the machine go down: native code keeps finals out of reach."""

_lock = fcntl.flock
_EXCLUSIVE: Final = fcntl.LOCK_EX
_UNLOCK: Final = fcntl.LOCK_UN
_read = _TOTALS.unpack_from
_write = _TOTALS.pack_into
_read_own = _OWN.unpack_from
_write_own = _OWN.pack_into


class SharedMeter:
    """One process's hand on the meter; workers count from 1, and 0 is the hub's."""

    def __init__(self, path: Path, worker: WorkerNumber, workers: int) -> None:
        """Open the meter, or begin it anew where there is none for so many workers.

        Raises:
            MeterError: the file cannot be used, or is in use for another number of workers.
        """
        if not 0 <= worker <= workers:
            raise MeterError(f"worker {worker} of {workers}: there is none", hint="set gate.workers")
        self._path = path
        self._columns = workers + 1
        self._turn = Lock()
        self._size = _TOTALS.size + _OWN.size * self._columns
        self._own = _TOTALS.size + _OWN.size * worker
        self.begun_anew = False
        """Whether what was spent is to be counted anew (``rebuild``): there was no meter, it was one for
        another number of workers, or the machine went down while it was in use."""
        try:
            self._users = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._take_up()
        except OSError as error:
            raise MeterError(
                f"{path}: {error.strerror}", hint="check storage.directory and the space on its disk"
            ) from error
        self._map_anew()

    def _take_up(self) -> None:
        try:
            _lock(self._users, _EXCLUSIVE | fcntl.LOCK_NB)
        except BlockingIOError:
            # Others use it. Who is making it ready holds the lock alone until it is.
            _lock(self._users, fcntl.LOCK_SH)
            self._check()
            return
        self._prepare()
        _lock(self._users, fcntl.LOCK_SH)

    def _check(self) -> None:
        magic, columns, _, _ = self._header()
        if (magic, columns) != (_MAGIC, self._columns):
            raise MeterError(
                f"{self._path}: in use for {columns - 1} workers, not for {self._columns - 1}",
                hint="stop every process of this storage.directory, then start anew",
            )

    def _prepare(self) -> None:
        magic, columns, closed, boot = self._header()
        here = _boot()
        least = _HEADER_SIZE + _GROWTH * self._size
        if (magic, columns) != (_MAGIC, self._columns) or os.fstat(self._file).st_size < least:
            self.begun_anew = True
            os.ftruncate(self._file, 0)
            os.posix_fallocate(self._file, 0, least)
        elif not closed and boot.rstrip(b"\0") != here:
            self.begun_anew = True
        os.pwrite(self._file, _HEADER.pack(_MAGIC, self._columns, 0, here), 0)

    def _header(self) -> tuple[bytes, int, int, bytes]:
        head = os.pread(self._file, _HEADER.size, 0)
        magic, columns, closed, boot = _HEADER.unpack(head.ljust(_HEADER.size, b"\0"))
        return magic, columns, closed, boot

    def _map_anew(self) -> None:
        self._map = mmap(self._file, 0)
        self._slots = (len(self._map) - _HEADER_SIZE) // self._size

    def _grow(self, slot: int) -> None:
        """Make room for a slot: another worker may have done so.

        Raises:
            MeterError: there can be no such slot, or no room for it on the disk.
        """
        if not 0 <= slot < _MOST_SLOTS:
            raise MeterError(f"{self._path}: slot {slot} is none", hint="the store of keys is damaged")
        size = _HEADER_SIZE + (slot // _GROWTH + 1) * _GROWTH * self._size
        _lock(self._file, _EXCLUSIVE)
        try:
            if os.fstat(self._file).st_size < size:
                # Not a file with holes: a page that finds no room on the disk kills who touches it.
                os.posix_fallocate(self._file, 0, size)
        except OSError as error:
            raise MeterError(
                f"{self._path}: {error.strerror}", hint="free space on the disk of storage.directory"
            ) from error
        finally:
            _lock(self._file, _UNLOCK)
        self._map.close()
        self._map_anew()

    def reserve(self, slot: int, allowance: Allowance, asked: Reservation, now: Instant) -> Shortfall | None:
        """Take a reservation if every limit has room for it, atomically; else say which has not.

        Raises:
            MeterError: the slot is new and there is no room for it on the disk.
        """
        if not 0 <= slot < self._slots:
            self._grow(slot)
        at, file, rows = _HEADER_SIZE + slot * self._size, self._file, self._map
        _lock(file, _EXCLUSIVE)
        try:
            row, short = admit(MeterRow(*_read(rows, at)), allowance, asked, now)
            if short is None:
                held, parallel = _read_own(rows, at + self._own)
                _write_own(rows, at + self._own, held + asked.cost, parallel + 1)
                _write(rows, at, *astuple(row))
        finally:
            _lock(file, _UNLOCK)
        return short

    def settle(self, slot: int, charge: Charge, now: Instant) -> None:
        """Give a reservation back and count what was really used."""
        if not 0 <= slot < self._slots:
            self._grow(slot)
        at, file = _HEADER_SIZE + slot * self._size, self._file
        _lock(file, _EXCLUSIVE)
        try:
            before = MeterRow(*_read(self._map, at))
            self._give_back(at, before, settle(before, charge, now), charge.reserved.cost)
        finally:
            _lock(file, _UNLOCK)

    def release(self, slot: int, asked: Reservation, now: Instant, reserved_at: Instant = NEVER) -> None:
        """Give back the reservation of an exchange that never went upstream."""
        if not 0 <= slot < self._slots:
            self._grow(slot)
        at, file = _HEADER_SIZE + slot * self._size, self._file
        _lock(file, _EXCLUSIVE)
        try:
            before = MeterRow(*_read(self._map, at))
            self._give_back(at, before, release(before, asked, now, reserved_at), asked.cost)
        finally:
            _lock(file, _UNLOCK)

    def _give_back(self, at: int, before: MeterRow, row: MeterRow, cost: int) -> None:
        held, parallel = _read_own(self._map, at + self._own)
        if held < cost or not parallel:
            # Given back twice, or after its worker was cleared: no more goes than this worker holds.
            cost, one = min(held, cost), min(parallel, 1)
            row = replace(row, held=before.held - cost, parallel=before.parallel - one)
            parallel += 1 - one
        _write(self._map, at, *astuple(row))
        _write_own(self._map, at + self._own, held - cost, parallel - 1)

    def row(self, slot: int) -> MeterRow:
        """Return the counters of a key."""
        return self._change(slot, lambda row: row)

    def charge(self, slot: int, cost: NanoUsd, now: Instant) -> None:
        """Count money spent by an exchange that nobody will settle any more."""
        self._change(slot, lambda row: spend(row, cost, now))

    def _change(self, slot: int, change: Callable[[MeterRow], MeterRow]) -> MeterRow:
        with self._turn:
            if not 0 <= slot < self._slots:
                self._grow(slot)
            at = _HEADER_SIZE + slot * self._size
            _lock(self._file, _EXCLUSIVE)
            try:
                row = change(MeterRow(*_read(self._map, at)))
                _write(self._map, at, *astuple(row))
            finally:
                _lock(self._file, _UNLOCK)
        return row

    def clear_worker(self, worker: WorkerNumber) -> None:
        """Drop what a worker that is gone held, and make the sums what the others hold.

        Row by row: those who serve meanwhile wait for one row at most.
        """
        column = _TOTALS.size + _OWN.size * worker
        with self._turn:
            self._grow(0)
            for at in range(_HEADER_SIZE, _HEADER_SIZE + self._slots * self._size, self._size):
                # Nobody writes these columns any more, so they may be looked at without the lock.
                if _read_own(self._map, at + column) != (0, 0):
                    self._clear(at, column)

    def _clear(self, at: int, column: int) -> None:
        _lock(self._file, _EXCLUSIVE)
        try:
            _write_own(self._map, at + column, 0, 0)
            columns = struct.unpack_from(f"={2 * self._columns}q", self._map, at + _TOTALS.size)
            row = MeterRow(*_read(self._map, at))
            mended = replace(row, held=sum(columns[::2]), parallel=sum(columns[1::2]))
            _write(self._map, at, *astuple(mended))
        finally:
            _lock(self._file, _UNLOCK)

    def rebuild(self, totals: Mapping[int, Spent]) -> None:
        """Take over what the journal says was spent, where the meter says less."""
        for slot, spent in totals.items():
            self._change(slot, partial(restore, spent=spent))

    def close(self) -> None:
        """Let the file go; its last user puts it on the disk."""
        with suppress(BlockingIOError):
            _lock(self._users, _EXCLUSIVE | fcntl.LOCK_NB)
            self._map.flush()
            os.pwrite(self._file, _HEADER.pack(_MAGIC, self._columns, 1, _boot()), 0)
            os.fsync(self._file)
        self._map.close()
        os.close(self._file)
        os.close(self._users)


def _boot() -> bytes:
    try:
        return _BOOT.read_bytes().strip()
    except OSError:
        # Without one every start counts as after a loss of power, which costs a rebuilding only.
        return os.urandom(16).hex().encode()
