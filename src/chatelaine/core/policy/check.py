"""A restraint looked at before it is put on: one that says nothing, or that can never match, is refused."""

import re
from datetime import timedelta
from string import ascii_letters, digits
from typing import Final

from msgspec.structs import replace

from chatelaine.core.context import prefix_of
from chatelaine.model.error import UsageError
from chatelaine.model.playbook import Lane, Restraint
from chatelaine.model.words import SECOND, ActionId, Instant

MOST_RESTRAINTS: Final = 10_000
"""Restraints that stand at one time; every worker holds them all."""
LONGEST: Final = timedelta(days=366)
LONGEST_DELAY_MS: Final = 60_000

_MOST_PARTS: Final = 256
_MOST_RATE: Final = 1_000_000
_ALPHABET: Final = ascii_letters + digits
_ID: Final = re.compile(r"act_[0-9A-Za-z]{12}")
_CONTEXT: Final = re.compile(r"[0-9a-f]{16}")
_JA4: Final = re.compile(r"[A-Za-z0-9_]{1,64}")


def check(restraint: Restraint, now: Instant) -> None:
    """Refuse a restraint that makes no sense.

    Raises:
        UsageError: which part, and what it should be.
    """
    if not _ID.fullmatch(restraint.id):
        raise UsageError(
            f"{restraint.id[:40]!r} is not an action's id", hint="act_ and twelve letters or digits"
        )
    if not now < restraint.until <= now + int(LONGEST.total_seconds()) * SECOND:
        raise UsageError(
            "a restraint ends by itself", hint=f"within {LONGEST.days} days from now, such as 1h"
        )
    _check_parts(restraint)
    if not 0 <= restraint.requests_per_minute <= _MOST_RATE:
        raise UsageError(f"{restraint.requests_per_minute} requests a minute make no sense")
    if not 0 <= restraint.delay_ms <= LONGEST_DELAY_MS:
        raise UsageError(
            f"a delay of {restraint.delay_ms} ms makes no sense", hint=f"at most {LONGEST_DELAY_MS}"
        )
    if restraint.delay_ms and restraint.lane is not Lane.TARPIT:
        raise UsageError("only the tarpit delays", hint="leave the delay out, or choose the lane tarpit")


def identified(restraint: Restraint, random: bytes) -> Restraint:
    """Return a restraint with an id drawn from twelve random bytes."""
    return replace(
        restraint, id=ActionId("act_" + "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in random))
    )


def in_words(restraint: Restraint) -> str:
    """Return what a restraint does, in a line for the record."""
    parts = [*restraint.contexts, *restraint.prefixes, *restraint.ja4s]
    whom = "every unknown client" if restraint.foreign else "every client"
    if parts:
        whom = f"{whom} of {len(parts)} marks"
    return f"{restraint.id}: {restraint.lane} {restraint.key}, {whom}"


def _check_parts(restraint: Restraint) -> None:
    for part in (restraint.contexts, restraint.prefixes, restraint.ja4s):
        if len(part) > _MOST_PARTS:
            raise UsageError(f"{len(part)} values in one restraint", hint=f"at most {_MOST_PARTS} of a kind")
    for context in restraint.contexts:
        _require(_CONTEXT, context, "a client context", "16 hexadecimal digits, as findings show it")
    for ja4 in restraint.ja4s:
        _require(_JA4, ja4, "a JA4 fingerprint", "such as t13d1516h2_8daaf6152771_e5627efa2ab1")
    for prefix in restraint.prefixes:
        address, _, _ = prefix.partition("/")
        if not prefix or prefix_of(address) != prefix:
            raise UsageError(
                f"{prefix[:60]!r} is not a network prefix",
                hint="the /24 of an IPv4 or the /48 of an IPv6 address",
            )


def _require(shape: re.Pattern[str], value: str, what: str, hint: str) -> None:
    if not shape.fullmatch(value):
        raise UsageError(f"{value[:40]!r} is not {what}", hint=hint)
