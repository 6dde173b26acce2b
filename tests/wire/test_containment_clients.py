"""Real clients in the quarantine and the decoy lane: they work on, and get no more than the lane gives."""

import asyncio
import json
import ssl
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from bedrock import bedrock, hello
from caller import key_of, tell
from google import genai
from google.genai import types
from house import House, body_of

from chatelaine.model.link import Restrain, RestraintsTold
from chatelaine.model.playbook import Lane, Restraint
from chatelaine.model.words import SECOND, ActionId, Instant

pytestmark = [
    pytest.mark.wire,
    # What the SDKs leave open is theirs to close.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TEXT = "The keeper of a castle's keys."
DECOY = "I can't help with that."
HELLO: Any = [{"role": "user", "content": "Hello"}]
TOOL: Any = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
}
opened: list[httpx2.Client] = []


def trusting(gate: House) -> httpx2.Client:
    opened.append(httpx2.Client(verify=ssl.create_default_context(cafile=str(gate.certificate))))
    return opened[-1]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while opened:
        opened.pop().close()


def restrained(gate: House, lane: Lane) -> str:
    """Return the token of a new key whose clients are all in a lane."""
    token = gate.issue()
    until = Instant(time.time_ns() + 600 * SECOND)
    asked = Restraint(ActionId(""), key_of(token), lane, until, requests_per_minute=100)
    if lane is Lane.DECOY:
        asked = Restraint(ActionId(""), key_of(token), lane, until)
    told = asyncio.run(tell(gate, Restrain(restraint=asked, by="test")))
    assert isinstance(told, RestraintsTold), told
    return token


def openai_client(gate: House, token: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gate.url}/v1", api_key=token, http_client=trusting(gate), max_retries=0)


def anthropic_client(gate: House, token: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=gate.url, api_key=token, http_client=trusting(gate), max_retries=0)


@pytest.fixture(scope="module")
def quarantined(gate: House) -> str:
    return restrained(gate, Lane.QUARANTINE)


@pytest.fixture(scope="module", params=["restrained", "canary"])
def decoyed(request: pytest.FixtureRequest, gate: House) -> str:
    return gate.issue("--canary") if request.param == "canary" else restrained(gate, Lane.DECOY)


def sent(gate: House) -> Any:
    return json.loads(body_of(gate.asked()[-1]))


def test_openai_chats_and_streams_in_quarantine_with_a_short_answer(gate: House, quarantined: str) -> None:
    client = openai_client(gate, quarantined)
    reply = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, max_tokens=4096)
    assert reply.choices[0].message.content == TEXT
    assert sent(gate) == {"messages": HELLO, "model": "gpt-4o-mini", "max_tokens": 512}
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == TEXT
    assert sent(gate)["max_completion_tokens"] == 512
    assert client.responses.create(model="gpt-4o-mini", input="Hello").output_text == TEXT
    assert sent(gate)["max_output_tokens"] == 512
    record = [event for event in gate.events() if event["kind"] == "exchange.opened"][-1]
    assert (record["lane"], record["disposition"]) == ("quarantine", "quarantined")


def test_what_openai_asks_for_beyond_the_quarantine_is_not_allowed(gate: House, quarantined: str) -> None:
    client, before = openai_client(gate, quarantined), len(gate.asked())
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, tools=[TOOL])
    with pytest.raises(openai.PermissionDeniedError):
        client.images.generate(model="gpt-image-1", prompt="A gate", n=1)
    with pytest.raises(openai.PermissionDeniedError):
        client.embeddings.create(model="text-embedding-3-small", input="a")
    with pytest.raises(openai.PermissionDeniedError):
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"x" * 1000))
    assert len(gate.asked()) == before
    reasons = [event["reason"] for event in gate.events() if event["kind"] == "exchange.refused"][-4:]
    assert reasons == ["tools_not_granted", *["operation_not_granted"] * 3]


def test_anthropic_and_gemini_are_capped_in_quarantine(gate: House, quarantined: str) -> None:
    claude = anthropic.Anthropic(
        base_url=gate.url, api_key=quarantined, http_client=trusting(gate), max_retries=0
    )
    reply = claude.messages.create(model="claude-sonnet-5", max_tokens=4096, messages=HELLO)
    assert reply.content[0].type == "text"
    assert sent(gate)["max_tokens"] == 512
    context = ssl.create_default_context(cafile=str(gate.certificate))
    options = types.HttpOptions(base_url=gate.url, client_args={"verify": context})
    gemini = genai.Client(api_key=quarantined, vertexai=False, http_options=options)
    assert gemini.models.generate_content(model="gemini-2.5-flash", contents="Hello").text == TEXT
    assert sent(gate)["generationConfig"]["maxOutputTokens"] == 512


def test_openai_takes_a_decoy_for_any_answer(gate: House, decoyed: str) -> None:
    client, before = openai_client(gate, decoyed), len(gate.asked())
    reply = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert reply.choices[0].message.content == DECOY
    assert reply.model == "gpt-4o-mini"
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == DECOY
    assert client.completions.create(model="gpt-4o-mini", prompt="Hello").choices[0].text == DECOY
    assert client.responses.create(model="gpt-4o-mini", input="Hello").output_text == DECOY
    with client.responses.stream(model="gpt-4o-mini", input="Hello") as events:
        for _ in events:
            pass
        assert events.get_final_response().output_text == DECOY
    assert list(client.models.list()) == []
    assert len(gate.asked()) == before, "nothing goes upstream"


def test_what_has_no_decoy_looks_like_an_unknown_key_to_openai(gate: House, decoyed: str) -> None:
    with pytest.raises(openai.AuthenticationError):
        openai_client(gate, decoyed).images.generate(model="gpt-image-1", prompt="A gate", n=1)


def test_anthropic_gemini_and_bedrock_take_a_decoy_for_any_answer(
    gate: House, decoyed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(gate.asked())
    claude = anthropic.Anthropic(
        base_url=gate.url, api_key=decoyed, http_client=trusting(gate), max_retries=0
    )
    reply = claude.messages.create(model="claude-sonnet-5", max_tokens=20, messages=HELLO)
    assert reply.content[0].type == "text"
    assert reply.content[0].text == DECOY
    with claude.messages.stream(model="claude-sonnet-5", max_tokens=20, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == DECOY
    context = ssl.create_default_context(cafile=str(gate.certificate))
    options = types.HttpOptions(base_url=gate.url, client_args={"verify": context})
    gemini = genai.Client(api_key=decoyed, vertexai=False, http_options=options)
    assert gemini.models.generate_content(model="gemini-2.5-flash", contents="Hello").text == DECOY
    chunks = gemini.models.generate_content_stream(model="gemini-2.5-flash", contents="Hello")
    assert "".join(chunk.text or "" for chunk in chunks) == DECOY
    client = bedrock(gate, decoyed, monkeypatch)
    assert hello(client, "amazon.nova-lite-v1:0") == (DECOY, DECOY)
    client.close()
    assert len(gate.asked()) == before, "nothing goes upstream"


def test_a_canary_is_marked_where_keys_are_shown_and_its_use_is_recorded(gate: House) -> None:
    token = gate.issue("--canary", "--unknown-client", "quarantine")
    shown = next(key for key in gate.told("keys", "list")["keys"] if key["id"] == key_of(token))
    assert (shown["canary"], shown["unknown_client"]) == (True, "quarantine")
    assert f"{key_of(token)}  issued, canary" in gate.run("keys", "list").stdout
    openai_client(gate, token).chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    refused = [event for event in gate.events() if event["kind"] == "exchange.refused"][-1]
    assert refused["caller"]["key"] == key_of(token)
    told = (refused["reason"], refused["status"], refused["lane"], refused["disposition"])
    assert told == ("decoy", 200, "decoy", "isolated")
    successor = gate.told("keys", "rotate", key_of(token))
    assert successor["canary"] is True
