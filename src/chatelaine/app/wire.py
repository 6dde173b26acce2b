"""What hub, workers and command line build alike: paths, secrets, the store, the sealer."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from chatelaine.adapters.clock import SystemClock
from chatelaine.adapters.entropy import SystemEntropy
from chatelaine.adapters.sealer import AesGcmSealer, kek_name
from chatelaine.adapters.secret import as_kek, as_pepper, first_secret, read_secret
from chatelaine.app.settings import load
from chatelaine.catalog import providers
from chatelaine.core.key.token import Digester, Peppers
from chatelaine.model.link import HUB_SOCKET
from chatelaine.model.settings import CaptureSettings, Settings
from chatelaine.model.words import PepperId

CLOCK = SystemClock()
ENTROPY = SystemEntropy()
FIRST_PEPPER = PepperId("first")


_LONGEST_ADDRESS = 107
"""Bytes of a Unix socket's address (unix(7))."""


@lru_cache(maxsize=8)
def _by_descriptor(directory: Path) -> Path:
    """Return a short path to a directory, good as long as this process lives."""
    return Path(f"/proc/self/fd/{os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)}")


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie in the storage directory."""

    root: Path

    @property
    def journal(self) -> Path:
        """The journal's segments."""
        return self.root / "journal"

    def captures(self, settings: CaptureSettings) -> Path:
        """Return where captured content lies."""
        return settings.directory.resolve() if settings.directory is not None else self.root / "capture"

    @property
    def meter(self) -> Path:
        """The meter's file."""
        return self.root / "meter"

    @property
    def store(self) -> Path:
        """The store of keys."""
        return self.root / "keys.sqlite"

    @property
    def restraints(self) -> Path:
        """The restraints that stand."""
        return self.root / "restraints.json"

    @property
    def socket(self) -> Path:
        """The hub's socket; by way of a descriptor where its path is longer than an address may be."""
        path = self.root / HUB_SOCKET
        if len(os.fsencode(path)) <= _LONGEST_ADDRESS or not self.root.is_dir():
            return path
        return _by_descriptor(self.root) / HUB_SOCKET

    @property
    def lock(self) -> Path:
        """Held by the supervisor."""
        return self.root / "up.lock"

    @property
    def certificate(self) -> Path:
        """The certificate that the gate signs itself, where it is given none."""
        return self.root / "gate.crt"

    def secret(self, name: str) -> Path:
        """Return where a secret lies that was made on the first start."""
        return self.root / f"{name}.secret"

    def prepare(self) -> None:
        """Make the directories, for their owner alone."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.journal.mkdir(mode=0o700, exist_ok=True)


def read_settings(path: str, overrides: tuple[tuple[str, str], ...] = ()) -> Settings:
    """Return the settings of a file ("" for none), the environment and flags.

    Raises:
        SettingsError: with every fault.
    """
    known = frozenset(str(name) for name in providers())
    return load(Path(path) if path else None, os.environ, dict(overrides), known)


def peppers(settings: Settings, places: Places) -> Peppers:
    """Return the peppers: those of the settings, else one made on the first start."""
    if not settings.keys.peppers:
        own = as_pepper(first_secret(places.secret("pepper"), ENTROPY))
        return Peppers(FIRST_PEPPER, {FIRST_PEPPER: Digester(own)})
    made = {each.id: Digester(as_pepper(read_secret(each.secret))) for each in settings.keys.peppers}
    return Peppers(settings.keys.peppers[0].id, made)


def sealer(settings: Settings, places: Places) -> AesGcmSealer:
    """Return the sealer of provider keys; the first key-encryption key seals, the others open."""
    own = as_kek(first_secret(places.secret("kek"), ENTROPY))
    keks: Mapping[str, bytes] = {kek_name(own): own}
    if settings.keys.kek is not None:
        given = as_kek(read_secret(settings.keys.kek))
        keks = {kek_name(given): given, **keks}
    return AesGcmSealer(keks, ENTROPY)


def hash_key(places: Places) -> bytes:
    """Return the key under which texts are hashed into the journal, made on the first start."""
    return first_secret(places.secret("hash"), ENTROPY)


def tls_names(settings: Settings) -> tuple[str, ...]:
    """Return the names and addresses that a certificate of our own is made for."""
    return tuple(dict.fromkeys((*settings.gate.tls.names, "127.0.0.1", "::1")))
