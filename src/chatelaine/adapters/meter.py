"""The meter over a file that all workers map: exact counts under one short lock.

A row is a line of 64-bit integers: nine shared counters, then for each worker what it holds and how
many exchanges it runs. A worker that is killed leaves its own columns behind, and only these are
cleared. The lock is ``flock``: the kernel lets it go when its holder dies.
"""

import fcntl
import os
import struct
from mmap import mmap
from pathlib import Path

from chatelaine.core.limit import admit, release, settle
from chatelaine.model.error import MeterError
from chatelaine.model.exchange import Reservation
from chatelaine.model.limit import Allowance, Charge, MeterRow, Shortfall
from chatelaine.model.words import NEVER, Instant, NanoUsd, WorkerNumber

_MAGIC = b"chlnmtr1"
_HEADER = struct.Struct("<8sq")
_HEADER_SIZE = 64
_SHARED = 9
_GROWTH = 256
"""Rows a file grows by."""


class SharedMeter:
    """One worker's hand on the meter; workers count from 1, and 0 is the hub's."""

    def __init__(self, path: Path, worker: WorkerNumber, workers: int) -> None:
        self._path = path
        self._columns = workers + 1
        self._row = struct.Struct(f"<{_SHARED + 2 * self._columns}q")
        self._shared = struct.Struct(f"<{_SHARED}q")
        self._own = struct.Struct("<2q")
        self._own_at = (_SHARED + 2 * worker) * 8
        self.begun_anew = False
        """Whether this start found no meter, or one for another number of workers."""
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._prepare()
        except OSError as error:
            raise MeterError(
                f"{path}: {error.strerror}", hint="check storage.directory and the space on its disk"
            ) from error
        self._map = mmap(self._file, 0)

    def _prepare(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            head = os.pread(self._file, _HEADER.size, 0)
            if head != _HEADER.pack(_MAGIC, self._columns):
                # Another number of workers, or no meter at all: begun anew, rebuilt by the hub.
                self.begun_anew = True
                os.ftruncate(self._file, 0)
                os.ftruncate(self._file, _HEADER_SIZE + _GROWTH * self._row.size)
                os.pwrite(self._file, _HEADER.pack(_MAGIC, self._columns), 0)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _place(self, slot: int) -> int:
        at = _HEADER_SIZE + slot * self._row.size
        if at + self._row.size > len(self._map):
            self._grow(at + _GROWTH * self._row.size)
        return at

    def _grow(self, size: int) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            if os.fstat(self._file).st_size < size:
                os.ftruncate(self._file, size)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._map.close()
        self._map = mmap(self._file, 0)

    def _read(self, at: int) -> MeterRow:
        values = self._row.unpack_from(self._map, at)
        return MeterRow._make((*values[:_SHARED], sum(values[_SHARED::2]), sum(values[_SHARED + 1 :: 2])))

    def _write(self, at: int, row: MeterRow, *, held: int, parallel: int) -> None:
        self._shared.pack_into(self._map, at, *row[:_SHARED])
        own_at = at + self._own_at
        was_held, was_parallel = self._own.unpack_from(self._map, own_at)
        self._own.pack_into(self._map, own_at, was_held + held, was_parallel + parallel)

    def reserve(self, slot: int, allowance: Allowance, asked: Reservation, now: Instant) -> Shortfall | None:
        """Take a reservation if every limit has room for it, atomically; else say which has not."""
        at = self._place(slot)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            row, short = admit(self._read(at), allowance, asked, now)
            if short is None:
                self._write(at, row, held=asked.cost, parallel=1)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        return short

    def settle(self, slot: int, charge: Charge, now: Instant) -> None:
        """Give a reservation back and count what was really used."""
        at = self._place(slot)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._write(at, settle(self._read(at), charge, now), held=-charge.reserved.cost, parallel=-1)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def release(self, slot: int, asked: Reservation, now: Instant, reserved_at: Instant = NEVER) -> None:
        """Give back the reservation of an exchange that never went upstream."""
        del reserved_at
        at = self._place(slot)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._write(at, release(self._read(at), asked, now), held=-asked.cost, parallel=-1)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def row(self, slot: int) -> MeterRow:
        """Return the counters of a key."""
        at = self._place(slot)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            return self._read(at)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def charge(self, slot: int, cost: NanoUsd, now: Instant) -> None:
        """Count money spent by an exchange that nobody settled."""
        at = self._place(slot)
        nothing = Charge(Reservation(), cost, 0)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._write(at, settle(self._read(at), nothing, now), held=0, parallel=0)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def clear_worker(self, worker: WorkerNumber) -> None:
        """Drop what a worker that is gone held: its reservations and its exchanges under way."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            size = os.fstat(self._file).st_size
            if size > len(self._map):
                self._map.close()
                self._map = mmap(self._file, 0)
            for at in range(_HEADER_SIZE, size - self._row.size + 1, self._row.size):
                self._own.pack_into(self._map, at + (_SHARED + 2 * worker) * 8, 0, 0)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let the file go."""
        self._map.close()
        os.close(self._file)
