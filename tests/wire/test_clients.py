"""Real clients, unchanged but for their base URL and key, through the gate over TLS."""

import asyncio
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from bedrock import bedrock, hello
from google import genai
from google.genai import types
from house import PROVIDER_KEY, House

pytestmark = [
    pytest.mark.wire,
    # What the SDKs leave open is theirs to close.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TEXT = "The keeper of a castle's keys."
HELLO: Any = [{"role": "user", "content": "Hello"}]
HERE = Path(__file__).resolve().parent


opened: list[httpx2.Client] = []


def trusting(gate: House) -> httpx2.Client:
    opened.append(httpx2.Client(verify=ssl.create_default_context(cafile=str(gate.certificate))))
    return opened[-1]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while opened:
        opened.pop().close()


def last_ended(gate: House) -> dict[str, Any]:
    return [event for event in gate.events() if event["kind"] == "exchange.ended"][-1]


@pytest.fixture
def client(gate: House, token: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gate.url}/v1", api_key=token, http_client=trusting(gate), max_retries=0)


def test_openai_chats_and_its_usage_is_settled(client: openai.OpenAI, gate: House) -> None:
    reply = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, max_tokens=20)
    assert reply.choices[0].message.content == TEXT
    assert reply.usage is not None
    ended = last_ended(gate)
    assert (ended["usage"]["input_tokens"], ended["usage"]["output_tokens"]) == (9, 6)
    assert ended["status"] == 200
    assert ended["cost"] > 0


def test_openai_streams_and_its_usage_is_settled(client: openai.OpenAI, gate: House) -> None:
    stream = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
    )
    words = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(words) == TEXT
    assert last_ended(gate)["usage"]["output_tokens"] == 6


def test_openai_streaming_without_usage_is_estimated(client: openai.OpenAI, gate: House) -> None:
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == TEXT
    usage = last_ended(gate)["usage"]
    assert usage["source"] == "estimated"
    assert usage["output_tokens"] >= 6


def test_openai_streams_to_an_async_client(gate: House, token: str) -> None:
    async def talk() -> str:
        context = ssl.create_default_context(cafile=str(gate.certificate))
        async with openai.AsyncOpenAI(
            base_url=f"{gate.url}/v1", api_key=token, http_client=httpx2.AsyncClient(verify=context)
        ) as client:
            stream = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True)
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    assert asyncio.run(talk()) == TEXT


def test_openai_calls_a_tool(client: openai.OpenAI) -> None:
    tool = {
        "type": "function",
        "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
    }
    reply = client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Look"}],
        tools=[tool],
    )
    calls = reply.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"


def test_openai_responses_and_their_stream(client: openai.OpenAI, gate: House) -> None:
    assert client.responses.create(model="gpt-4o-mini", input="Hello").output_text == TEXT
    usage = last_ended(gate)["usage"]
    assert (usage["cached_tokens"], usage["reasoning_tokens"]) == (4, 2)
    with client.responses.stream(model="gpt-4o-mini", input="Hello") as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == TEXT
    assert last_ended(gate)["usage"]["output_tokens"] == 6


def test_openai_embeds_a_text(client: openai.OpenAI) -> None:
    reply = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert reply.data[0].embedding == [0.5, -0.5]


def test_openai_makes_an_image(client: openai.OpenAI, gate: House) -> None:
    assert client.images.generate(model="gpt-image-1", prompt="A gate", n=1).data
    assert last_ended(gate)["usage"]["output_tokens"] == 1056


def test_openai_audio_upload_passes_through_byte_for_byte(client: openai.OpenAI, gate: House) -> None:
    audio = os.urandom(300_000)
    reply = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", audio))
    assert reply.text == TEXT
    asked = gate.asked()[-1]
    assert asked["bytes"] > len(audio)
    opened = [event for event in gate.events() if event["kind"] == "exchange.opened"][-1]
    assert opened["asked"]["model"] == "whisper-1"


def test_openai_speech_and_models_and_moderation(client: openai.OpenAI) -> None:
    speech = client.audio.speech.create(model="tts-1", voice="alloy", input="Hello").content
    assert speech.startswith(b"ID3")
    assert [model.id for model in client.models.list()] == ["gpt-4o-mini"]
    assert client.moderations.create(input="Hello").results[0].flagged is False


def test_openai_files_and_batches(client: openai.OpenAI) -> None:
    stored = client.files.create(file=("a.jsonl", b'{"custom_id":"1"}\n'), purpose="batch")
    batch = client.batches.create(
        input_file_id=stored.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert batch.status == "validating"


def test_openai_talks_over_a_realtime_socket(gate: House, token: str) -> None:
    async def talk() -> list[str]:
        context = ssl.create_default_context(cafile=str(gate.certificate))
        client = openai.AsyncOpenAI(base_url=f"{gate.url}/v1", api_key=token)
        words = []
        async with client.realtime.connect(
            model="gpt-realtime", websocket_connection_options={"ssl": context}
        ) as connection:
            await connection.response.create()
            async for event in connection:
                if event.type == "response.output_text.delta":
                    words.append(event.delta)
                if event.type == "response.done":
                    break
        return words

    assert "".join(asyncio.run(talk())) == TEXT
    ended = last_ended(gate)
    assert ended["usage"]["output_tokens"] == 6


def test_azure_openai_talks_by_deployment(gate: House, token: str) -> None:
    client = openai.AzureOpenAI(
        azure_endpoint=gate.url,
        api_key=token,
        api_version="2024-10-21",
        http_client=trusting(gate),
        max_retries=0,
    )
    reply = client.chat.completions.create(model="my-deployment", messages=HELLO)
    assert reply.choices[0].message.content == TEXT
    assert client.responses.create(model="my-deployment", input="Hello").output_text == TEXT
    opened = [event for event in gate.events() if event["kind"] == "exchange.opened"][-2]
    assert opened["asked"]["api_version"] == "2024-10-21"
    assert opened["asked"]["provider"] == "azure"


def test_azure_talks_by_its_v1_paths(gate: House, token: str) -> None:
    client = openai.OpenAI(
        base_url=f"{gate.url}/openai/v1/", api_key=token, http_client=trusting(gate), max_retries=0
    )
    reply = client.chat.completions.create(model="my-deployment", messages=HELLO)
    assert reply.choices[0].message.content == TEXT


def test_anthropic_talks_streams_and_counts(gate: House, token: str) -> None:
    client = anthropic.Anthropic(base_url=gate.url, api_key=token, http_client=trusting(gate), max_retries=0)
    reply = client.messages.create(model="claude-sonnet-5", max_tokens=20, messages=HELLO)
    assert reply.content[0].type == "text"
    with client.messages.stream(model="claude-sonnet-5", max_tokens=20, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == TEXT
    usage = last_ended(gate)["usage"]
    assert usage["output_tokens"] == 6
    counted = client.messages.count_tokens(model="claude-sonnet-5", messages=HELLO)
    assert counted.input_tokens == 9


def test_google_genai_talks_and_streams(gate: House, token: str) -> None:
    context = ssl.create_default_context(cafile=str(gate.certificate))
    client = genai.Client(
        api_key=token,
        vertexai=False,
        http_options=types.HttpOptions(base_url=gate.url, client_args={"verify": context}),
    )
    assert client.models.generate_content(model="gemini-2.5-flash", contents="Hello").text == TEXT
    words = [
        chunk.text or ""
        for chunk in client.models.generate_content_stream(model="gemini-2.5-flash", contents="Hello")
    ]
    assert "".join(words) == TEXT
    assert last_ended(gate)["usage"]["output_tokens"] == 6


def test_boto3_bedrock_with_a_bearer_token(gate: House, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client, model = bedrock(gate, token, monkeypatch), "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
    assert hello(client, model) == (TEXT, TEXT)
    assert last_ended(gate)["usage"]["output_tokens"] == 6
    body = json.dumps(
        {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 20,
            "messages": [{"role": "user", "content": "Hello"}],
        }
    )
    invoked = json.loads(client.invoke_model(modelId=model, body=body)["body"].read())
    assert invoked["content"][0]["text"] == TEXT
    stream = client.invoke_model_with_response_stream(modelId=model, body=body)["body"]
    assert len(list(stream)) == 8
    assert last_ended(gate)["usage"]["input_tokens"] == 9
    client.close()


def test_the_openai_npm_package(gate: House, token: str) -> None:
    package = HERE / "npm" / "node_modules" / "openai"
    if shutil.which("node") is None or not package.exists():
        if os.environ.get("CI"):
            pytest.fail("CI must have node and tests/wire/npm installed: make test does it")
        pytest.skip("node or tests/wire/npm/node_modules is missing: make test installs them")
    program = f"""
      import OpenAI from "{package}/index.mjs";
      const client = new OpenAI({{ baseURL: "{gate.url}/v1", apiKey: "{token}", maxRetries: 0 }});
      const stream = await client.chat.completions.create({{
        model: "gpt-4o-mini", messages: [{{ role: "user", content: "Hello" }}], stream: true }});
      let words = "";
      for await (const chunk of stream) words += chunk.choices[0].delta.content ?? "";
      console.log(words);
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=dict(os.environ) | {"NODE_EXTRA_CA_CERTS": str(gate.certificate)},
    )
    assert done.stdout.strip() == TEXT, done.stderr


@pytest.mark.parametrize(
    "credential", ["Authorization: Bearer {}", "api-key: {}", "x-api-key: {}", "x-goog-api-key: {}"]
)
def test_curl_with_the_key_in_any_place(gate: House, token: str, credential: str) -> None:
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--cacert", str(gate.certificate)),
            *("--header", credential.format(token), "--header", "content-type: application/json"),
            *("--data", '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}'),
            f"{gate.url}/v1/chat/completions",
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == TEXT


def test_no_caller_ever_sees_the_provider_key_and_no_upstream_the_virtual_one(
    client: openai.OpenAI, gate: House, token: str
) -> None:
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o-mini", messages=HELLO)
    assert PROVIDER_KEY not in str(raw.headers) + raw.text
    asked = gate.asked()[-1]
    assert token not in str(asked)
    assert ["authorization", f"Bearer {PROVIDER_KEY}"] in asked["headers"]
