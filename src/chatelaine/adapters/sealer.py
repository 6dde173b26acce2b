"""Seals provider keys with AES-256-GCM (NIST SP 800-38D) under key-encryption keys."""

import hashlib
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chatelaine.model.error import SealError, SecretUnreadable
from chatelaine.ports import Entropy

KEK_BYTES = 32
NONCE_BYTES = 12
"""96 bits, drawn anew for each seal: SP 800-38D §8.3 allows 2^32 seals under one key."""


def kek_name(kek: bytes) -> str:
    """Return the name of a key-encryption key: eight hexadecimal digits that only it has.

    Named after itself, a key keeps its name wherever it is configured, and two cannot be mixed up.
    """
    return hashlib.sha256(b"chatelaine kek " + kek).hexdigest()[:8]


class AesGcmSealer:
    """Seals under the first key-encryption key, and opens what any of them sealed."""

    def __init__(self, keks: Mapping[str, bytes], entropy: Entropy) -> None:
        """Take key-encryption keys by name, the one that seals first.

        Raises:
            SecretUnreadable: there is none, or one has not 32 bytes.
        """
        if not keks:
            raise SecretUnreadable("no key-encryption key is configured", hint="set keys.kek")
        for name, kek in keks.items():
            if len(kek) != KEK_BYTES:
                raise SecretUnreadable(
                    f"the key-encryption key {name} has {len(kek)} bytes",
                    hint=f"AES-256 needs {KEK_BYTES}: openssl rand -hex {KEK_BYTES}",
                )
        self._ciphers = {name: AESGCM(kek) for name, kek in keks.items()}
        self._kek = next(iter(keks))
        self._entropy = entropy

    @property
    def kek(self) -> str:
        """The name of the key-encryption key that seals new values."""
        return self._kek

    def seal(self, plain: bytes, *, bound_to: bytes) -> tuple[bytes, bytes]:
        """Return (nonce, sealed); ``bound_to`` is authenticated, not hidden."""
        nonce = self._entropy.draw(NONCE_BYTES)
        return nonce, self._ciphers[self._kek].encrypt(nonce, plain, bound_to)

    def open(self, nonce: bytes, sealed: bytes, *, bound_to: bytes, kek: str) -> bytes:
        """Return the plain value.

        Raises:
            SealError: wrong key-encryption key, or any bit differs.
        """
        cipher = self._ciphers.get(kek)
        if cipher is None:
            raise SealError(
                f"it is sealed under the key-encryption key {kek}, which is not configured",
                hint="configure the older key-encryption key beside the new one until all is sealed anew",
            )
        try:
            return cipher.decrypt(nonce, sealed, bound_to)
        except (InvalidTag, ValueError) as error:
            raise SealError(
                f"it does not open under the key-encryption key {kek}",
                hint="the row was changed or belongs elsewhere: store the provider key anew",
            ) from error
