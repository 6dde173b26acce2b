"""Random bytes: the system's, and a repeatable sequence for tests."""

import random
import secrets


class SystemEntropy:
    """Draws from the operating system's generator."""

    def draw(self, size: int) -> bytes:
        """Return ``size`` random bytes."""
        return secrets.token_bytes(size)


class SeededEntropy:
    """Draws the same sequence for the same seed: for tests and demonstrations, never for secrets."""

    def __init__(self, seed: int = 0) -> None:
        self._chance = random.Random(seed)

    def draw(self, size: int) -> bytes:
        """Return the next ``size`` bytes of the sequence."""
        return self._chance.randbytes(size)
