"""The model server as Anthropic, Gemini and Bedrock speak."""

import asyncio
import base64
import binascii
import json
import struct
from collections.abc import AsyncIterator, Mapping
from typing import Any

from model_words import TEXT, WORDS, keep, parsed, sse
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse


async def messages(request: Request) -> Response:
    ask = parsed(await keep(request))
    model = ask.get("model", "")
    usage = {
        "input_tokens": 9,
        "output_tokens": 6,
        "cache_read_input_tokens": 2,
        "cache_creation_input_tokens": 1,
    }
    whole: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    if not ask.get("stream"):
        return JSONResponse(whole, headers={"request-id": "req_model"})
    start = whole | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    events: list[Mapping[str, Any]] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    events += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        for word in WORDS
    ]
    events += [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 6},
        },
        {"type": "message_stop"},
    ]
    return sse(events, named=True)


async def count_tokens(request: Request) -> Response:
    await keep(request)
    return JSONResponse({"input_tokens": 9})


async def gemini(request: Request) -> Response:
    await keep(request)
    verb = request.path_params["model"].rpartition(":")[2]
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 6, "totalTokenCount": 15}
    if verb == "countTokens":
        return JSONResponse({"totalTokens": 9})
    if verb in {"embedContent", "batchEmbedContents"}:
        return JSONResponse({"embedding": {"values": [0.5]}, "embeddings": [{"values": [0.5]}]})
    parts = [
        {
            "candidates": [{"content": {"role": "model", "parts": [{"text": word}]}, "index": 0}],
            "modelVersion": "gemini-test",
        }
        for word in WORDS
    ]
    if verb == "streamGenerateContent":
        last = {
            "content": {"role": "model", "parts": [{"text": WORDS[-1]}]},
            "finishReason": "STOP",
            "index": 0,
        }
        parts[-1] = parts[-1] | {"candidates": [last], "usageMetadata": usage}
        if request.query_params.get("alt") == "sse":
            return sse(list(parts))
        return Response(json.dumps(parts), media_type="application/json")
    whole = {
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": TEXT}]}, "finishReason": "STOP", "index": 0}
        ]
    }
    return JSONResponse(whole | {"usageMetadata": usage, "modelVersion": "gemini-test"})


def frame(event: str, payload: Mapping[str, Any]) -> bytes:
    """Return one message of ``application/vnd.amazon.eventstream``."""
    headers = b""
    for name, value in (
        (":event-type", event),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ):
        headers += (
            bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        )
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + body
    return message + struct.pack(">I", binascii.crc32(message))


BEDROCK_USAGE = {"inputTokens": 9, "outputTokens": 6, "totalTokens": 15}


async def converse(request: Request) -> Response:
    await keep(request)
    output = {"message": {"role": "assistant", "content": [{"text": TEXT}]}}
    return JSONResponse(
        {
            "output": output,
            "stopReason": "end_turn",
            "usage": BEDROCK_USAGE,
            "metrics": {"latencyMs": 5},
        }
    )


async def invoke(request: Request) -> Response:
    await keep(request)
    usage = {"input_tokens": 9, "output_tokens": 6}
    content = [{"type": "text", "text": TEXT}]
    return JSONResponse(
        {"id": "msg_1", "type": "message", "role": "assistant", "content": content, "usage": usage}
    )


async def converse_stream(request: Request) -> Response:
    await keep(request)
    frames = [frame("messageStart", {"role": "assistant"})]
    frames += [
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}) for word in WORDS
    ]
    frames.append(frame("messageStop", {"stopReason": "end_turn"}))
    frames.append(frame("metadata", {"usage": BEDROCK_USAGE, "metrics": {"latencyMs": 5}}))
    return _frames(frames)


async def invoke_stream(request: Request) -> Response:
    await keep(request)
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}
    metrics = {"inputTokenCount": 9, "outputTokenCount": 6}
    events: list[Mapping[str, Any]] = [start]
    events += [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        for word in WORDS
    ]
    events.append({"type": "message_stop", "amazon-bedrock-invocationMetrics": metrics})
    return _frames(
        [frame("chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode()}) for event in events]
    )


def _frames(frames: list[bytes]) -> Response:
    async def stream() -> AsyncIterator[bytes]:
        for one in frames:
            yield one
            await asyncio.sleep(0)

    return StreamingResponse(stream(), media_type="application/vnd.amazon.eventstream")
