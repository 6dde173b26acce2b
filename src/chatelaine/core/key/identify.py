"""Authentication: what a presented token turns out to be."""

from typing import Final

from chatelaine.core.key.roster import Roster
from chatelaine.core.key.token import match_shape
from chatelaine.model.key import Identity, Standing
from chatelaine.model.words import Instant, KeyId

_MISSING = Identity(Standing.MISSING)
_MALFORMED = Identity(Standing.UNKNOWN)
_REFUTED: Final[tuple[Standing, ...]] = (Standing.UNKNOWN, Standing.WRONG)
"""By whether the kid is that of a key. Of no fixed length, or native code would build the pair anew for each
request and read its second half five nanoseconds later than its first (``bench/timing.py``: |t| = 10)."""


def identify(token: bytes | None, roster: Roster, now: Instant) -> Identity:
    """Return how a token stands at an instant, and the key it proves.

    What has not a token's shape is told unknown without a digest: the shape is public. An unknown kid
    and a wrong secret take the same steps in the same time (OWASP ASVS 5.0, 11.2.4): both miss
    in the same table of digests, and which it was is then found out without a branch. The checksum is
    not looked at: working it out costs as much as the digest it would spare.
    """
    if token is None:
        return _MISSING
    shape = match_shape(token)
    if shape is None:
        return _MALFORMED
    entry = roster.prove(token)
    if entry is not None:
        return entry.before if now < entry.until else entry.after
    kid = shape[1]
    return Identity(_REFUTED[roster.knows(kid)], None, KeyId(kid.decode("ascii")))
