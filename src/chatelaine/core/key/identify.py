"""Authentication: what a presented token turns out to be."""

from chatelaine.core.key.roster import Roster
from chatelaine.core.key.token import match_shape
from chatelaine.model.key import Identity, Standing
from chatelaine.model.words import Instant, KeyId

_MISSING = Identity(Standing.MISSING)
_MALFORMED = Identity(Standing.UNPROVEN)


def identify(token: bytes | None, roster: Roster, now: Instant) -> Identity:
    """Return how a token stands at an instant, and the key it proves.

    An unknown kid and a wrong secret are one and the same miss in a table of digests (OWASP ASVS 5.0,
    11.2.4): the gate itself cannot tell which it was, so no caller can. The kid a token merely claims
    is recorded, and whoever reads the record knows which keys there are. What has not a token's shape
    misses without a digest: the shape is public. The checksum is not looked at: working it out costs
    as much as the digest it would spare.
    """
    if token is None:
        return _MISSING
    shape = match_shape(token)
    if shape is None:
        return _MALFORMED
    entry = roster.prove(token)
    if entry is not None:
        return entry.before if now < entry.until else entry.after
    return Identity(Standing.UNPROVEN, None, KeyId(shape[1].decode("ascii")))
