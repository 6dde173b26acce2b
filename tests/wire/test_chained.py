"""A server nobody here wrote as the upstream: Portkey's gateway, chained behind ours."""

import os
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from house import House, free_port, house, process

pytestmark = [
    pytest.mark.wire,
    # What the SDK leaves open is its own to close.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SERVER = Path(__file__).parent / "npm/node_modules/@portkey-ai/gateway/build/start-server.js"
TEXT = "The keeper of a castle's keys."


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory, model_port: int) -> Iterator[tuple[House, int]]:
    if shutil.which("node") is None or not SERVER.exists():
        if os.environ.get("CI"):
            pytest.fail("CI must have node and tests/wire/npm installed: make test does it")
        pytest.skip("node or tests/wire/npm/node_modules is missing: make test installs them")
    folder, port = tmp_path_factory.mktemp("chained"), free_port()
    command = ["node", str(SERVER), "--headless", f"--port={port}"]
    with (
        process(command, port=port, log=folder / "portkey.log"),
        house(folder, model=port) as running,
    ):
        yield running, model_port


def test_a_caller_talks_through_both_gateways_and_is_charged_once(chained: tuple[House, int]) -> None:
    gate, model = chained
    context = ssl.create_default_context(cafile=str(gate.certificate))
    with httpx2.Client(verify=context) as http:
        client = openai.OpenAI(
            base_url=f"{gate.url}/v1",
            api_key=gate.issue(),
            http_client=http,
            max_retries=0,
            default_headers={
                "x-portkey-provider": "openai",
                "x-portkey-custom-host": f"http://127.0.0.1:{model}/v1",
            },
        )
        reply = client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello"}]
        )
        assert reply.choices[0].message.content == TEXT
        # Its streams and embeddings fail on this Node by themselves ("immutable" headers).
        tool: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
        called = client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Look"}], tools=[tool]
        )
    assert called.choices[0].message.tool_calls
    ends = [event for event in gate.events() if event["kind"] == "exchange.ended"]
    assert [(end["status"], end["reason"]) for end in ends] == [(200, "completed"), (200, "completed")]
    assert ends[0]["usage"]["output_tokens"] == 6
