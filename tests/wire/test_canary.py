"""A key planted everywhere a caller can write stands nowhere that anybody can read."""

import asyncio
import base64
import gzip
import json
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest
from caller import CHAT, Caller, change, chat, key_of, once, request
from house import PROVIDER_KEY, House, house
from plain_upstream import Upstream

from chatelaine.core.key.token import mint, new_kid
from chatelaine.model.key import KeyInput

pytestmark = pytest.mark.wire
FOREIGN = "sk-proj-" + "Zq7Xw3" * 8
"""A key of another maker's shape, pasted where ours belongs."""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with house(folder, model=upstream.port, tls=False) as running:
        yield running


def disguises(secret: str) -> dict[str, bytes]:
    """Return how a secret may look when it has got out; base64 at each of its three alignments."""
    raw = secret.encode()
    found = {
        "plain": raw,
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "utf-16": secret.encode("utf-16-le"),
        "utf-16 big": secret.encode("utf-16-be"),
        "percent": "".join(f"%{byte:02x}" for byte in raw).encode(),
        "PERCENT": "".join(f"%{byte:02X}" for byte in raw).encode(),
    }
    for shift in range(3):
        for alphabet, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            # The ends depend on what stands beside them.
            found[f"{alphabet} +{shift}"] = encode(b"\0" * shift + raw).rstrip(b"=")[4:-2]
    return found


def sinks(gate: House) -> Iterator[tuple[str, bytes]]:
    """Yield everything that is written, served or shown."""
    for path in sorted(gate.folder.rglob("*")):
        if path.is_file() and not path.name.endswith("chatelaine.yaml"):
            data = path.read_bytes()
            yield str(path.relative_to(gate.folder)), gzip.decompress(data) if path.suffix == ".gz" else data
    for page in ("metrics", "livez", "readyz"):
        with urllib.request.urlopen(f"http://127.0.0.1:{gate.admin}/{page}", timeout=10) as reply:
            yield f"/{page}", reply.read()
    shown = [("keys", "list"), ("keys", "list", "--json"), ("events", "show"), ("events", "show", "--json")]
    shown += [("keys", "provider", "list", "--json"), ("config", "show"), ("config", "check"), ("doctor",)]
    for words in shown:
        done = gate.run(*words, check=False)
        yield " ".join(words), (done.stdout + done.stderr).encode()


def check(gate: House, secrets: dict[str, str], hows: frozenset[str] | None = None) -> None:
    """Look for every secret in every sink; ``hows``: in these disguises alone."""
    found = []
    for where, data in sinks(gate):
        for whose, secret in secrets.items():
            looks = {how: look for how, look in disguises(secret).items() if hows is None or how in hows}
            found += [f"{whose}, {how}: {where}" for how, look in looks.items() if look in data]
    assert not found, found


def secret_part(token: str) -> str:
    """Return what is secret in one of our tokens: what follows its public id."""
    return token.split("_")[3][:40]


def planted(token: str, other: str) -> Iterator[bytes]:
    """Yield requests with a key in every place a caller can write; ``token`` is the one that counts."""
    body = chat()
    encoded = base64.b64encode(other.encode()).decode()
    disguised = (
        other, encoded, other.encode().hex(), f"Bearer {other}", f"a={other}; b={encoded}",
        urllib.parse.quote(other), "".join(f"%{byte:02x}" for byte in other.encode()),
    )  # fmt: skip
    named = (
        "user-agent", "referer", "origin", "cookie", "x-forwarded-for", "forwarded", "via", "x-custom",
        "x-stainless-lang", "x-stainless-package-version", "x-goog-api-client", "amz-sdk-request",
        "x-amz-user-agent", "openai-organization", "openai-project", "openai-version", "anthropic-version",
        "anthropic-beta", "accept-language", "x-request-id", "x-chatelaine-request-id", "x-planted",
        "traceparent", "baggage", "content-encoding", "accept", "expect", "te", "from",
    )  # fmt: skip
    for text in disguised:
        for name in named:
            yield request(token, body, headers={name: text})
        for echo in ("echo", "whole"):
            yield request(token, body, headers={"x-planted": text, "x-test-do": echo})
        yield request(token, body, headers={"content-type": f"application/json; boundary={text}"})
    yield request(token, body, headers={other: "name"})
    yield request(token, body, headers={other.lower(): other})
    yield from _in_targets(token, other, body)
    yield from _in_bodies(token, other)


def _in_targets(token: str, other: str, body: bytes) -> Iterator[bytes]:
    quoted = "".join(f"%{byte:02x}" for byte in other.encode())
    for text in (other, quoted):
        for path in (
            f"/{text}", f"/v1/{text}", f"{CHAT}/{text}", f"{CHAT}?{text}", f"{CHAT}?a={text}&{text}=b",
            f"/openai/deployments/{text}/chat/completions?api-version={text}", f"/v1/files/{text}",
            f"/v1beta/models/{text}:generateContent", f"/model/{text}/converse", f"/model/{text}/{text}",
            f"/v1/models/{text}", f"/v1/batches/{text}", f"/v1/realtime?model={text}", f"{CHAT}#{text}",
            f"/v1/../{text}", f"http://{text}/v1/models", f"//{text}",
        ):  # fmt: skip
            yield request(token, body, path=path)
            yield request(token, path=path, method="GET")
    yield request(token, body, path=f"{CHAT}?key={other}")
    yield request(token, body, method=other[:10])
    yield request(token, body, method=other)


def _in_bodies(token: str, other: str) -> Iterator[bytes]:
    said = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
    for name in ("model", "user", "metadata", "messages", "temperature", "max_tokens", "stop", "n", "stream"):
        for value in (other, {"a": other}, [other], {other: other}):
            yield request(token, json.dumps(said | {name: value}).encode(), headers={"x-test-do": "echo"})
    yield request(token, json.dumps(said | {other: 1}).encode())
    spoken = json.dumps(said | {"messages": [{"role": other, "content": other, "name": other}]})
    for path in (CHAT, "/v1/messages", "/v1/responses", "/v1/embeddings", "/v1/images/generations"):
        yield request(token, spoken.encode(), path=path)
        yield request(token, spoken.replace("messages", "input").encode(), path=path)
    yield from _in_broken_bodies(token, other, spoken)
    yield from _in_forms(token, other)
    yield from _in_broken_heads(token, other)


def _in_broken_bodies(token: str, other: str, spoken: str) -> Iterator[bytes]:
    for broken in (
        other.encode(), f'"{other}'.encode(), f'{{"model": {other}}}'.encode(),
        f'{{"model": "{other}'.encode(),
        spoken.encode("utf-16"), b"\xff\xfe" + other.encode(), gzip.compress(other.encode()),
        f'{{"model": "{other}", "model": "{other}"}}'.encode(), spoken.encode()[:-9],
    ):  # fmt: skip
        for path in (CHAT, "/v1/messages", "/model/m/converse", "/v1beta/models/m:generateContent"):
            yield request(token, broken, path=path)


def _in_forms(token: str, other: str) -> Iterator[bytes]:
    for field in ("model", "purpose", "prompt", other):
        form = (
            f'--edge\r\ncontent-disposition: form-data; name="{field}"\r\n\r\n{other}\r\n'
            f'--edge\r\ncontent-disposition: form-data; name="file"; filename="{other}"\r\n'
            f"content-type: {other}\r\n\r\n{other}\r\n--edge--\r\n"
        ).encode()
        for path in ("/v1/files", "/v1/audio/transcriptions", "/v1/images/edits"):
            for boundary in ("edge", "none", other):
                kind = f"multipart/form-data; boundary={boundary}"
                yield request(token, form, path=path, headers={"content-type": kind})


def _in_broken_heads(token: str, other: str) -> Iterator[bytes]:
    chunked = {"transfer-encoding": "chunked"}
    yield request(token, headers=chunked | {"x-a": "b"}).replace(b"content-length: 0\r\n", b"") + (
        f"5;{other}={other}\r\nhello\r\n0\r\n{other}: {other}\r\n\r\n".encode()
    )
    yield request(token, chat()).replace(b"host: gate", f"host: {other}".encode())
    yield f"{other} / HTTP/1.1\r\n\r\n".encode()
    yield f"GET {CHAT} {other}\r\n\r\n".encode()
    yield f"GET {CHAT} HTTP/1.1\r\n{other}\r\n\r\n".encode()
    yield f"GET {CHAT} HTTP/1.1\r\n{other}: \x01{other}\r\n\r\n".encode()
    yield other.encode() + b"\r\n\r\n"
    yield request(token, chat(), headers={"content-length": other})
    yield request(token, chat(), headers={"authorization": f"Basic {other}"})
    yield request(token, chat(), headers={"x-api-key": other})


async def send_all(gate: House, requests: Iterator[bytes]) -> int:
    """Send every request on a connection of its own, and let each be answered or dropped."""
    places = asyncio.Semaphore(8)

    async def send(data: bytes) -> bool:
        async with places:
            caller = await Caller.dial(gate.port)
            caller.writer.write(data)
            try:
                async with asyncio.timeout(1):
                    head = await caller.head()
                    await caller.body(head)
            except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
                return False
            finally:
                await caller.close()
            return True

    return sum(await asyncio.gather(*map(send, requests)))


def test_a_planted_key_appears_in_no_sink(gate: House) -> None:
    good, other = gate.issue(), gate.issue()
    never = mint("live", new_kid(b"\x07" * 16), b"\x55" * 32)
    asyncio.run(send_all(gate, planted(good, other)))
    asyncio.run(send_all(gate, planted(good, never)))
    asyncio.run(send_all(gate, planted(other, good)))
    refused = {e["reason"] for e in gate.events() if e["kind"] == "exchange.refused"}
    assert {"malformed_request", "route_unknown", "credential_conflict"} <= refused
    check(gate, {"good": secret_part(good), "other": secret_part(other), "never issued": secret_part(never)})


def test_a_key_of_another_maker_appears_in_no_sink(gate: House) -> None:
    good = gate.issue()
    data = [request(FOREIGN, chat()), request(FOREIGN, chat(), path="/nowhere"), request(FOREIGN, b"{")]
    data += [request(FOREIGN, chat(), headers={"x-api-key": FOREIGN})]
    asyncio.run(send_all(gate, iter(data)))
    asyncio.run(send_all(gate, planted(good, FOREIGN)))
    # Of other makers' keys only the plain form is known; ours is found in any disguise.
    check(gate, {"foreign": FOREIGN[8:]}, frozenset({"plain"}))


def test_the_life_of_a_key_leaves_no_trace_of_its_token(gate: House) -> None:
    token = gate.issue()

    async def live() -> None:
        for given in (KeyInput.SUSPEND, KeyInput.RESUME, KeyInput.EXPOSE):
            await once(gate.port, request(token, chat()))
            await change(gate, token, given)
        await once(gate.port, request(token, chat()))

    asyncio.run(live())
    rotated = gate.issue()
    successor = gate.told("keys", "rotate", key_of(rotated))["token"]
    gate.run("keys", "show", key_of(rotated))
    gate.run("keys", "show", token, check=False)
    check(gate, {"first": secret_part(token), "old": secret_part(rotated), "new": secret_part(successor)})


def test_the_provider_key_is_in_no_sink_and_no_reply(gate: House, upstream: Upstream) -> None:
    token = gate.issue()
    answer = asyncio.run(once(gate.port, request(token, chat(), headers={"x-test-do": "echo"})))
    assert PROVIDER_KEY in upstream.visits[-1].headers["authorization"]
    assert PROVIDER_KEY.encode() not in answer.raw_head + answer.body
    stored = "sk-kept-in-the-vault-" + "Kq9" * 8
    gate.run("keys", "provider", "put", "spare", text=stored)
    check(gate, {"provider": PROVIDER_KEY[3:], "vault": stored[8:]})
