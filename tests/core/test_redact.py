"""Redaction: credentials go in every disguise, everything else stays, and it takes linear time."""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.redact import MARK, redact, redact_bytes, sensitive_name

SECRET = "Zq7" + "Xw4Yv9Tu2Rs" * 4 + "Pq"
TOKEN = f"chln_live_Ab3dE6gH9_{SECRET}"
SHOWN = "chln_live_Ab3dE6gH9_…"
BYTES = TOKEN.encode()

DISGUISES = {
    "plain": TOKEN,
    "percent-encoded": TOKEN.replace("_", "%5F"),
    "percent-encoded whole": "".join(f"%{byte:02x}" for byte in BYTES),
    "percent-encoded twice": "".join(f"%25{byte:02X}" for byte in BYTES),
    "hexadecimal": BYTES.hex(),
    "hexadecimal, upper case": BYTES.hex().upper(),
    "hexadecimal dump": BYTES.hex(" "),
    "hexadecimal with colons": BYTES.hex(":"),
    "hexadecimal list": ", ".join(hex(byte) for byte in BYTES),
    "UTF-16-LE": TOKEN.encode("utf-16-le").decode("latin-1"),
    "UTF-16-BE": TOKEN.encode("utf-16-be").decode("latin-1"),
    "UTF-16 shown by repr": repr(TOKEN.encode("utf-16-le")),
    "UTF-16 in hexadecimal": TOKEN.encode("utf-16-be").hex(),
    "base64": base64.b64encode(BYTES).decode(),
    "base64, one byte off": base64.b64encode(b"x" + BYTES).decode(),
    "base64, two bytes off": base64.b64encode(b"xy" + BYTES).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(b"??" + BYTES).decode(),
    "base64 of UTF-16": base64.b64encode(b"qq" + TOKEN.encode("utf-16-be")).decode(),
    "base64 in lines": base64.encodebytes(BYTES).decode(),
    "base64 in lines shown by repr": repr(base64.encodebytes(BYTES)),
    "JSON escapes": TOKEN.replace("_", "\\u005f"),
    "byte escapes": "".join(f"\\x{byte:02x}" for byte in BYTES),
    "without its front": TOKEN[10:],
    "upper case": TOKEN.upper(),
    "wrong checksum": TOKEN[:-1] + "0",
    "a letter too long": TOKEN + "0",
    "without its kid": f"chln_live_{SECRET}",
    "with another environment": f"chln_staging2_Ab3dE6gH9_{SECRET}",
}

OTHERS = {
    "OpenAI": "sk-proj-abcDEF123456_7890abcDEF",
    "Anthropic": "sk-ant-api03-AAaa11BBbb22CCcc33",
    "OpenAI without digits": "sk-abcdefghijklmnopqrstuvwxyz",
    "Stripe": "rk_live_abcdefghij1234567890",
    "AWS access key id": "AKIAABCDEFGHIJKLMNOP",
    "AWS temporary key id": "ASIAABCDEFGHIJKLMNOP",
    "Bedrock long-term": "ABSKQmVkcm9ja0FQSUtleS1hYmNkZWZnaA==",
    "Bedrock short-term": "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t",
    "Google": "AIzaSyA-abcdefghijklmnopqrstuvwxyz12345",
    "Google OAuth": "ya29.a0AfH6SMBabcdefghij",
    "JWT": "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhYmMifQ.c2lnbmF0dXJl_-",
    "GitHub": "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "GitHub, fine-grained": "github_pat_11ABCDEFG0abcdefghijkl",
    "GitLab": "glpat-abcdefghij1234567890",
    "Slack": "xoxb-123456789012-abcdefghijkl",
    "Hugging Face": "hf_abcdefghijklmnopqrst",
    "Azure": "a1B2" * 13 + "JQQJ99AKAC" + "x1Y2" * 5 + "zz",
    "Azure, glued to a word": "key" + "a1B2" * 13 + "JQQJ99AKAC" + "x1Y2" * 5 + "zz",
}

PAIRS = [
    ("Authorization: Bearer s3cr3t-value", "Authorization: Bearer ***"),
    ("{'authorization': 'Bearer s3cr3t value'}", "{'authorization': 'Bearer ***'}"),
    ("[(b'authorization', b'Bearer s3cr3t')]", "[(b'authorization', b'Bearer ***')]"),
    ('{"api-key": "s3cr3t value"}', '{"api-key": "***"}'),
    (r'"{\"api_key\": \"s3cr3t\"}"', r'"{\"api_key\": \"***\"}"'),
    ("x-goog-api-key: s3cr3t", "x-goog-api-key: ***"),
    ("api-key=s3cr3t&x=1", "api-key=***&x=1"),
    ("GET /v1?key=s3cr3t&alt=sse", "GET /v1?key=***&alt=sse"),
    ("GET /blob?sp=r&sig=s3cr3t%3D", "GET /blob?sp=r&sig=***"),
    ("api-key%3Ds3cr3t", "api-key%3D***"),
    ("Basic dXNlcjpzM2NyM3Q=", "Basic ***"),
    ("DPoP s3cr3t", "DPoP ***"),
    ("bearer=s3cr3t", "bearer=***"),
    ("https://user:s3cr3t@example.org/x", "https://***@example.org/x"),
    ("Cookie: a=s3cr3t; b=s3cr3t", "Cookie: ***"),
    ("AccountName=a;AccountKey=s3cr3t==;EndpointSuffix=b", "AccountName=a;AccountKey=***;EndpointSuffix=b"),
    ("aws_secret_access_key = s3cr3t/x", "aws_secret_access_key = ***"),
    ("password='s3cr3t with spaces'", "password='***'"),
    ("https://hooks.slack.com/services/T0/B0/s3cr3t", "https://hooks.slack.com/***"),
    ("-----BEGIN PRIVATE KEY-----\ns3cr3t\n-----END PRIVATE KEY----- x", "*** x"),
    ("-----BEGIN RSA PRIVATE KEY-----\ns3cr3t", "***"),
    ("AWS4-HMAC-SHA256 Signature=s3cr3t, x", "AWS4-HMAC-SHA256 Signature=***, x"),
]

CLEAN = [
    "",
    "gpt-4o-mini",
    "OpenAI/Python 3.54.0",
    "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6.1 lang/python#3.11.7",
    "exchange.opened worker=3 input_tokens=512 output_tokens: 63 max_tokens=100",
    "task-runner disk-usage risk-assessment asia-east1 description: design",
    "the credential of upstream openai is read from env:OPENAI_API_KEY",
    "credential: env:OPENAI_API_KEY",
    "secret: file:/run/secrets/openai",
    "/v1/models/gemini-2.5-flash:generateContent?alt=sse",
    "chln_live_Ab3dE6gH9_…",
    "kid Ab3dE6gH9 of chln_live_Ab3dE6gH9",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "http://127.0.0.1:8443/livez mail@example.org",
    "ä ö ü – 日本語 \N{LATIN CAPITAL LETTER I WITH DOT ABOVE}",
]


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
def test_a_token_of_ours_is_found_in_every_disguise(disguise: str) -> None:
    cleaned = redact(f"before {disguise} after")
    assert cleaned.startswith("before ")
    assert cleaned.endswith("after")
    for width in (10, 14, 20):
        pieces = {disguise[at : at + width] for at in range(len(disguise) - width)}
        # What stands before the prefix, and the public part, may stay.
        assert not [piece for piece in pieces if piece in cleaned and piece not in SHOWN and "_" not in piece]


@pytest.mark.parametrize("cut", range(len(TOKEN)))
def test_a_token_cut_short_shows_nothing_of_its_secret(cut: int) -> None:
    cleaned = redact(f"<{TOKEN[:cut]}>")
    assert cleaned == f"<{TOKEN[: min(cut, 20)]}{'…' if cut > 20 else ''}>"


def test_the_kid_stays_visible() -> None:
    assert redact(TOKEN) == SHOWN
    assert redact(f"Authorization: Bearer {TOKEN}") == f"Authorization: Bearer {SHOWN}"
    assert redact(f'{{"api-key": "{TOKEN}"}}') == f'{{"api-key": "{SHOWN}"}}'
    assert redact(f"?key={TOKEN}&x") == f"?key={SHOWN}&x"


@pytest.mark.parametrize("credential", OTHERS.values(), ids=OTHERS)
def test_the_keys_of_providers_are_replaced(credential: str) -> None:
    cleaned = redact(f"got {credential}, then left")
    assert cleaned.endswith(f"{MARK}, then left")
    assert credential[8:] not in cleaned
    assert len(cleaned) < len("got key***, then left") + 1


@pytest.mark.parametrize(("text", "cleaned"), PAIRS)
def test_what_a_name_calls_a_credential_is_replaced(text: str, cleaned: str) -> None:
    assert redact(text) == cleaned


@pytest.mark.parametrize("text", CLEAN)
def test_what_holds_no_credential_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("name", ["authorization", "X-Api-Key", "client_secret", "Cookie", "access_token"])
def test_names_of_credentials_are_known(name: str) -> None:
    assert sensitive_name(name)


@pytest.mark.parametrize("name", ["input_tokens", "model", "key", "kid", "cookies_enabled", "secret_source"])
def test_other_names_are_not_taken_for_credentials(name: str) -> None:
    assert not sensitive_name(name)


FRAGMENTS = st.sampled_from(
    [
        *DISGUISES.values(),
        *OTHERS.values(),
        *(text for text, _ in PAIRS),
        *(
            "Bearer ",
            "token=",
            '"',
            "'",
            "\\",
            "=",
            ":",
            "://",
            "@",
            "chln_",
            "sk-",
            MARK,
            "…",
            " ",
            "\n",
            "\0",
        ),
        *(
            "b'",
            "authorization",
            "cookie: ",
            "_",
            "JQQJ9",
            "eyJ",
            "-----BEGIN A-----",
            "%25",
            "63",
            ",",
            "(",
            "]",
        ),
    ]
)


@given(st.lists(FRAGMENTS | st.text(max_size=8), max_size=8).map("".join))
def test_redacting_twice_changes_nothing(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_token_is_found_wherever_it_stands(before: str, after: str) -> None:
    assert SECRET not in redact(f"{before}{TOKEN}{after}")


@given(st.binary(max_size=60))
def test_bytes_that_are_no_text_stay_as_they_are(noise: bytes) -> None:
    assert redact_bytes(b"\xff\xfe" + noise[:0]) == b"\xff\xfe"
    assert SECRET.encode() not in redact_bytes(noise + b"\xff" + BYTES + noise)


HOSTILE = [
    *(
        "a",
        "c",
        "63",
        "sk-",
        "Bearer ",
        "token:",
        "://",
        "://a",
        "-----BEGIN A-----",
        "eyJ",
        "eyJaaaaaa.",
        "_",
    ),
    *(
        "A" * 51 + "_",
        "JQQJ9",
        "aJQQJ9",
        "\\",
        "token=\\",
        "token='",
        'token="\\\\',
        "%25",
        "chln_%25",
        "cookie:",
    ),
    *(
        "c\0h\0",
        "c%25",
        "Y2hsbl",
        "Y2hsbl\\n",
        " ",
        "token ",
        "=",
        "x@",
        "AKIA",
        "basic ",
        "hf_",
        "0x63 ",
        "63 ",
    ),
    *("chln", "c\\", "\\x63", "%2525", "api-key%20", "sk_live_", "ghp_", "'", '"', "authorization:bearer "),
]


def seconds(text: str) -> float:
    """Return the least processor time of three runs."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        redact(text)
        taken.append(time.process_time() - start)
    return min(taken)


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_no_faster_than_the_text(piece: str) -> None:
    short, long = (seconds(piece * (size // len(piece))) for size in (8_000, 64_000))
    # Quadratic growth would be 64-fold; 5 ms are noise.
    assert long < max(24 * short, 0.005)
    assert long < 0.2
