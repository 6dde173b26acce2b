"""Redaction: nothing that looks like a credential leaves in clear, whatever it is wrapped in."""

import re
from base64 import b64encode
from typing import Final

HIDDEN: Final = "[hidden]"

_OURS: Final = re.compile(r"(chln_[a-z0-9]{1,12}_[0-9A-Za-z]{9})_[0-9A-Za-z]+")
_SHAPES: Final = (
    r"chln_[0-9A-Za-z_]{6,}",
    r"c(?:\x00|\\x00|\\u0000)h(?:\x00|\\x00|\\u0000)l(?:\x00|\\x00|\\u0000)n[^ \"]{8,}",
    r"chln%5[fF][0-9A-Za-z%_]{6,}",
    r"(?i:63686c6e5f)[0-9a-fA-F]{12,}",
    r"sk-[0-9A-Za-z_-]{12,}",
    r"(?:AKIA|ASIA)[0-9A-Z]{12,}",
    r"ABSK[0-9A-Za-z+/=]{12,}",
    r"bedrock-api-key-[0-9A-Za-z+/=_-]{8,}",
    r"AIza[0-9A-Za-z_-]{20,}",
    r"eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{4,}(?:\.[0-9A-Za-z_-]*)?",
    r"gh[pousr]_[0-9A-Za-z]{16,}",
    r"xox[abprs]-[0-9A-Za-z-]{10,}",
    r"[0-9A-Za-z]{52}JQQJ9[0-9A-Za-z]{20,}",
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{0,8000}",
    r"(?<=://)[^/@\s\"]{1,256}:[^/@\s\"]{1,256}(?=@)",
    r"(?i:(?<=bearer ))[^\s\"',;]{8,}",
    r"(?i:(?<=[?&]key=))[^&\s\"]{6,}",
    r"(?i:(?<=api-key: )|(?<=api-key=)|(?<=api_key=))[^\s\"',;&]{6,}",
)
_PATTERNS: Final = re.compile("|".join(_SHAPES))
_SHIFTS: Final = (0, 1, 2)
"""Bytes that may stand before ours within a base64 group."""
_BASE64_HEADS: Final = tuple(
    b64encode(b"\x00" * shift + b"chln_")[(4 if shift else 0) :].decode().rstrip("=")[:-2]
    for shift in _SHIFTS
)
_ANY_HEAD: Final = "|".join(map(re.escape, _BASE64_HEADS))
_BASE64: Final = re.compile(rf"[0-9A-Za-z+/_-]{{0,4}}(?:{_ANY_HEAD})[0-9A-Za-z+/=_-]{{8,}}")
_SUSPECTS: Final = re.compile(
    r"chln|c\W{1,6}0{0,4}h|63686[cC]6|sk-|AKIA|ASIA|ABSK|bedrock-|AIza|eyJ|gh[pousr]_|xox|JQQJ9|BEGIN |@|"
    rf"[bB][eE][aA][rR]|[kK][eE][yY]|{_ANY_HEAD}"
)
"""What a text must contain to be looked at closer: most contain none of it."""


def redact(text: str) -> str:
    """Return a text with every credential replaced; the public part of our own keys stays.

    Linear in the length of the text, and idempotent.
    """
    if _SUSPECTS.search(text) is None:
        return text
    kept = _OURS.sub(lambda found: f"{found[1]}\N{ZERO WIDTH NO-BREAK SPACE}{HIDDEN}", text)
    kept = _PATTERNS.sub(_hide, kept)
    kept = _BASE64.sub(HIDDEN, kept)
    return kept.replace(f"\N{ZERO WIDTH NO-BREAK SPACE}{HIDDEN}", f"_{HIDDEN}")


def _hide(found: re.Match[str]) -> str:
    return found[0] if _PUBLIC.fullmatch(found[0]) else HIDDEN


_PUBLIC: Final = re.compile(r"chln_[a-z0-9]{1,12}_[0-9A-Za-z]{9}_?")


def redact_bytes(data: bytes) -> bytes:
    """Return bytes with every credential replaced."""
    return redact(data.decode("latin-1")).encode("latin-1", "replace")
