"""Bedrock's own client in Python, as its users build it: boto3 with a bearer token, over TLS."""

from typing import Any

import boto3
import pytest
from botocore.config import Config
from house import House


def bedrock(gate: House, token: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a client that holds a key of the gate; to be closed."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", token)
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=gate.url,
        verify=str(gate.certificate),
        config=Config(retries={"max_attempts": 0}),
    )


def hello(client: Any, model: str) -> tuple[str, str]:
    """Return what a model answers to a greeting: whole, and put together from a stream."""
    asked = {"modelId": model, "messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    whole = client.converse(**asked)["output"]["message"]["content"][0]["text"]
    words = [
        event["contentBlockDelta"]["delta"]["text"]
        for event in client.converse_stream(**asked)["stream"]
        if "contentBlockDelta" in event
    ]
    return whole, "".join(words)
