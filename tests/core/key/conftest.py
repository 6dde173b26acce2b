"""Keys made up for tests of the key room."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from chatelaine.core.key.token import Digester, Peppers, mint
from chatelaine.model.key import Grant, KeyState, VirtualKey
from chatelaine.model.words import AppName, Instant, KeyId, OwnerId, PepperId

PEPPERS = Peppers(
    PepperId("new"),
    {PepperId("old"): Digester(b"old pepper" * 4), PepperId("new"): Digester(b"new pepper" * 4)},
)

Make = Callable[..., tuple[VirtualKey, bytes]]


@pytest.fixture
def peppers() -> Peppers:
    return PEPPERS


@pytest.fixture
def make() -> Make:
    """Return a maker of keys with their tokens; arguments override the key's fields."""

    def made(
        kid: str = "AbCdEfGhI", *, secret: bytes = b"s" * 32, **fields: object
    ) -> tuple[VirtualKey, bytes]:
        token = mint("live", KeyId(kid), secret).encode("ascii")
        pepper = PepperId(str(fields.pop("pepper", "new")))
        digester = PEPPERS.digesters.get(pepper, Digester(b"a pepper nobody configured"))
        key = VirtualKey(
            id=KeyId(kid),
            env="live",
            owner=OwnerId("acme"),
            app=AppName("chat"),
            contact="ops@acme.example",
            grant=Grant(),
            state=KeyState.ACTIVE,
            digest=digester.digest(token),
            pepper=pepper,
            slot=1,
            issued_at=Instant(1),
            expires_at=None,
        )
        return replace(key, **fields), token

    return made
