"""Redaction: whatever looks like a credential is replaced before it reaches a log, a metric or an event.

Our own tokens keep their public part (``chln_live_<kid>_…``) and are found in disguise too: escaped,
percent-encoded, in hexadecimal, in UTF-16, and in base64 at each of its three alignments
(keys.md §4.5). Every pattern is linear: what repeats is bounded, or starts at one place only.
"""

import base64
import re
from collections.abc import Iterable
from typing import Final

MARK: Final = "***"
"""Stands where a credential was."""

_PREFIX: Final = "chln_"
_ENCODED: Final = r"0-9A-Za-z+/=_%\\\-"
"""Characters of base64 in both alphabets, and of what escapes them."""

_NAMES: Final = (
    r"authorization|api[-_ ]?key|(?:secret[-_]?)?access[-_]?key|account[-_]?key|private[-_]?key"
    r"|subscription[-_]?key|secret(?:[-_]?key)?|passw(?:or)?d|passphrase|pwd|signature|token|credentials?"
)
_SEPARATOR: Final = r"""[\\"']{0,4}+\s{0,8}+(?:[:=]|%3[ad]|(?<=["']),)\s{0,8}+"""
_SCHEME: Final = (
    r"(?:(?:bearer|basic|dpop|digest|negotiate|token|apikey|aws4-hmac-sha256)(?:[\s+]|%20){1,4}+)?+"
)
_REFERENCE: Final = r"(?!env:|file:|vault:)"
"""Where a secret is read from is not itself secret."""
_BARE: Final = r"""[^\s"'&;,(){}\[\]<>\\]++"""
_QUOTED: Final = (
    rf"""(?:\\*+"(?i:{_SCHEME}))(?P<double>{_REFERENCE}(?:[^"\\\r\n]|\\++[^"\\\r\n])++)"""
    rf"""|(?:\\*+'(?i:{_SCHEME}))(?P<single>{_REFERENCE}(?:[^'\\\r\n]|\\++[^'\\\r\n])++)"""
)
_TO_LINE_END: Final = r"""[^\r\n"']++"""

sensitive_name: Final = re.compile(rf"(?:{_NAMES}|cookie)$", re.IGNORECASE | re.ASCII).search
"""Tell whether a field of this name holds a credential, whatever that looks like."""


def _escaped(character: str) -> str:
    """Return a pattern for a character as it is, percent-encoded, or escaped as in a program."""
    return rf"(?:{character}|(?:\\+[xu](?:00)?|%(?:25){{0,3}}){ord(character):02x})"


def _base64_forms(plain: bytes) -> Iterable[str]:
    """Yield the base64 digits that bytes give wherever they stand, for each of the three alignments."""
    for before in range(3):
        digits = base64.b64encode(bytes(before) + plain).decode("ascii")
        yield digits[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6]


_ZERO: Final = r"(?:\x00|\\+x00|\\+u0000|%(?:25){0,3}00)?"
_BETWEEN: Final = r"[ :,]{0,2}(?:0x)?"
_PAIRS: Final = f"{_BETWEEN}(?:00{_BETWEEN})?".join(f"{ord(character):02x}" for character in _PREFIX)
# The prefix in UTF-16 of either byte order, without the zero that stands at one end of it.
_WIDE: Final = "\0".join(_PREFIX).encode()
_FORMS: Final = (*_base64_forms(_PREFIX.encode()), *_base64_forms(_WIDE))

_RULES: Final = (
    # Our token in clear; what follows the prefix may still be escaped.
    ("token", rf"(?i:{_PREFIX})(?:[0-9A-Za-z_]|%(?:25)*+[0-9A-Fa-f]{{2}}|\\++[xu][0-9A-Fa-f]{{2,4}})*+"),
    ("escaped", rf"(?i:{_ZERO.join(map(_escaped, _PREFIX))})[{_ENCODED}\x00]*+"),
    # A dump may put spaces, colons, commas or 0x between the bytes.
    ("dumped", rf"(?i:{_PAIRS})(?:{_BETWEEN}[0-9A-Fa-f]{{2}}(?![G-Zg-z]))*+"),
    ("base64", rf"(?:{'|'.join(_FORMS)})[{_ENCODED}]*+(?:(?:\\++n|\r?\n)[{_ENCODED}]{{16,}}+)*+"),
    # A token that lost its front: its whole tail after an underscore.
    ("tail", r"(?P<underscore>_)[0-9A-Za-z]{43,49}(?![0-9A-Za-z])"),
    ("pem", r"-----BEGIN [A-Z0-9 ]{1,64}-----(?s:.*?)(?:-----END [A-Z0-9 ]{1,64}-----|\Z)"),
    ("userinfo", r"""(?P<slashes>://)[^\s/?#"'<>@]{1,512}+(?=@)"""),
    ("cookie", rf"""(?P<cookies>(?i:cookie{_SEPARATOR})(?:b?[\\"']{{1,4}}+)?+){_TO_LINE_END}"""),
    (
        "pair",
        (
            rf"(?P<name>(?i:(?:{_NAMES}){_SEPARATOR}))"
            rf"(?:b?+(?:{_QUOTED})|(?i:{_SCHEME})(?P<bare>{_REFERENCE}{_BARE}))"
        ),
    ),
    ("query", r"""(?<=[?&;])(?P<field>(?i:key|sig)=)[^\s"'&;<>]++"""),
    ("scheme", rf"""(?P<word>(?i:\b(?:bearer|dpop))(?:[\s:=+]|%20){{1,8}}+[\\"']{{0,4}}+){_BARE}"""),
    ("basic", r"(?P<basics>(?i:\bbasic)(?:[\s+]|%20){1,4}+)[A-Za-z0-9+/_-]{6,}+={0,2}+"),
    ("jwt", r"eyJ[A-Za-z0-9_-]{6,}+(?:\.[A-Za-z0-9_-]*+){0,4}+"),
    ("amazon", r"(?:A[KS]IA[0-9A-Z]{8,}+|ABSK[0-9A-Za-z+/=]{8,}+|bedrock-api-key-[0-9A-Za-z+/=_%-]++)"),
    ("google", r"(?:AIza[0-9A-Za-z_-]{8,}+|ya29\.[0-9A-Za-z_.-]{8,}+|GOCSPX-[0-9A-Za-z_-]++)"),
    (
        "openai",
        (
            r"(?<![0-9A-Za-z])(?:sk-|[prs]k_(?:live|test)_)"
            r"(?:(?=[A-Za-z_-]{0,64}[0-9A-Z])[0-9A-Za-z_-]{8,}+|[0-9A-Za-z_-]{20,}+)"
        ),
    ),
    (
        "vendor",
        (
            r"(?<![0-9A-Za-z])(?:gh[oprsu]_|github_pat_|glpat-|xox[a-z]-|xapp-|hf_|npm_|gsk_|pypi-AgE|pplx-|r8_)"
            r"[0-9A-Za-z_-]{8,}+"
        ),
    ),
    ("slack", r"(?P<host>(?i:hooks\.slack\.com)/)[0-9A-Za-z_/-]++"),
    # Azure's 84 characters: this signature stands after 52 random ones (keys.md §1.4).
    ("azure", r"JQQJ9[0-9A-Za-z+/=]{8,}+"),
)

_credential: Final = re.compile("|".join(f"(?P<{name}>{rule})" for name, rule in _RULES), re.ASCII).match
_KEPT: Final = {
    "tail": "underscore",
    "userinfo": "slashes",
    "cookie": "cookies",
    "query": "field",
    "scheme": "word",
    "basic": "basics",
    "slack": "host",
}
"""The part of a match that stays, by rule."""

_OURS: Final = re.compile(r"chln_[a-z0-9]{1,12}_[0-9A-Za-z]{9}_")
_PUBLIC: Final = re.compile(r"chln_[a-z0-9]{0,12}(?:_[0-9A-Za-z]{0,9})?")
_BEFORE_SIGNATURE: Final = 52
_alphanumeric_end: Final = re.compile(r"[0-9A-Za-z]*\Z").search

_ANCHORS: Final = (
    *("chln", "c\0", "c\\", "c%", "ch\0", "ch\\", "ch%", "chl\0", "chl\\", "chl%", "63", "%63", "%2563"),
    *("\\x63", "\\u0063", *(form.lower() for form in _FORMS)),
    *("authorization", "api-k", "api_k", "api k", "apik", "access", "account", "private", "subscription"),
    *("secret", "passw", "passphrase", "pwd", "signature", "token", "credential", "cookie", "key=", "sig="),
    *("bearer", "basic", "dpop", "eyj", "akia", "asia", "absk", "bedrock-api", "aiza", "ya29", "gocspx"),
    *(
        "sk-",
        "sk_",
        "rk_",
        "pk_",
        "gho_",
        "ghp_",
        "ghr_",
        "ghs_",
        "ghu_",
        "github_pat",
        "glpat",
        "xox",
        "xapp",
    ),
    *("hf_", "npm_", "gsk_", "pypi-a", "pplx-", "r8_", "hooks.slack", "jqqj9", "-----b", "://"),
)
"""How the matches of all rules but ``tail`` begin, in lower case."""


def _any_of(words: Iterable[str]) -> str:
    """Return a pattern for any of some words that tries each first character once."""
    by_first: dict[str, list[str]] = {}
    for word in words:
        by_first.setdefault(word[:1], []).append(word[1:])
    if "" in by_first:
        return ""
    parts = [re.escape(first) + _any_of(rests) for first, rests in sorted(by_first.items())]
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"


# Marks where a match may begin: trying every rule at every character would take twenty times as long.
_suspect: Final = re.compile(_any_of((*_ANCHORS, "_@")).replace("_@", "_(?=[0-9a-z]{43})"), re.ASCII).search
_PASSES_MAX: Final = 6
"""What was replaced may bring two parts of another credential together; more than three were never seen."""
_FOLD: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def redact(text: str) -> str:
    """Return a text with everything that looks like a credential replaced; doing it twice changes nothing."""
    for _ in range(_PASSES_MAX):
        # Only ASCII letters fold to one character each: places in both texts must be the same.
        folded = text.lower() if text.isascii() else text.translate(_FOLD)
        at = _suspect(folded)
        if at is None:
            return text
        cleaned = _rewrite(text, folded, at.start())
        if cleaned == text:
            return text
        text = cleaned
    return text


def redact_bytes(data: bytes) -> bytes:
    """Return bytes with everything that looks like a credential replaced; what is no UTF-8 stays as it is."""
    return redact(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _rewrite(text: str, folded: str, start: int) -> str:
    pieces: list[str] = []
    done, place = 0, start
    while place >= 0:
        found = _credential(text, place)
        if found is not None:
            begin = _signed_from(text, done, place) if found.lastgroup == "azure" else place
            pieces += (text[done:begin], _replacement(found))
            done = found.end()
        at = _suspect(folded, max(done, place + 1))
        place = -1 if at is None else at.start()
    pieces.append(text[done:])
    return "".join(pieces)


def _signed_from(text: str, earliest: int, signature: int) -> int:
    """Return where an Azure key begins whose signature stands at a place."""
    start = max(earliest, signature - _BEFORE_SIGNATURE)
    run = _alphanumeric_end(text[start:signature])
    return signature if run is None else start + run.start()


def _replacement(found: re.Match[str]) -> str:
    rule = found.lastgroup
    if rule == "token":
        return _show_token(found[0])
    if rule == "pair":
        value = found["double"] or found["single"] or found["bare"]
        return found[0][: -len(value)] + _show_value(value)
    kept = found[_KEPT[rule]] if rule in _KEPT else ""
    return kept + _show_value(found[0][len(kept) :])


def _show_token(token: str) -> str:
    """Return the public part of a token of ours, whole or damaged."""
    public = _OURS.match(token)
    if public is None:
        return token if _PUBLIC.fullmatch(token) else f"{_PREFIX}…"
    return token if public[0] == token else f"{public[0]}…"


def _show_value(value: str) -> str:
    """Return what stands for a value; of a token of ours its kid can still be read."""
    ours = _OURS.search(value)
    if ours is None:
        return MARK
    return value if ours[0] == value else f"{ours[0]}…"
