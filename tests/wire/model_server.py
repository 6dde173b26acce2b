"""A model server that needs no model: it speaks every dialect and says fixed words.

It keeps what it was asked, so that tests can compare byte by byte. Run as a program it listens on
``--port`` and serves until it is ended.
"""

import argparse
import asyncio
import base64
import binascii
import json
import struct
from collections.abc import AsyncIterator, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

WORDS = ("The ", "keeper ", "of ", "a ", "castle's ", "keys.")
TEXT = "".join(WORDS)
USAGE = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
PIXEL = base64.b64encode(b"\x89PNG fixed bytes").decode()

asked: list[dict[str, Any]] = []
"""What came in, newest last; shown under ``GET /asked``."""


async def _keep(request: Request) -> bytes:
    body = await request.body()
    asked.append(
        {
            "method": request.method,
            "target": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            "headers": [[name.decode(), value.decode("latin-1")] for name, value in request.headers.raw],
            "body": base64.b64encode(body).decode() if len(body) < 1_000_000 else "",
            "bytes": len(body),
            "crc": binascii.crc32(body),
        }
    )
    del asked[:-100]
    return body


def _json(body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _sse(
    events: list[Mapping[str, Any]], *, named: bool = False, done: bool = False, gap: float = 0.0
) -> Response:
    async def stream() -> AsyncIterator[bytes]:
        for event in events:
            name = f"event: {event['type']}\n" if named else ""
            yield f"{name}data: {json.dumps(event)}\n\n".encode()
            await asyncio.sleep(gap)
        if done:
            yield b"data: [DONE]\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"x-request-id": "req_model"})


async def chat(request: Request) -> Response:
    ask = _json(await _keep(request))
    model = ask.get("model", "")
    if ask.get("tools"):
        call = {
            "id": "call_1",
            "type": "function",
            "function": {"name": "look", "arguments": '{"at":"gate"}'},
        }
        message: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [call]}
        finish = "tool_calls"
    else:
        message, finish = {"role": "assistant", "content": TEXT}, "stop"
    base = {"id": "chatcmpl-1", "created": 1, "model": model}
    if not ask.get("stream"):
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return JSONResponse(
            base | {"object": "chat.completion", "choices": [choice], "usage": USAGE},
            headers={"x-request-id": "req_model"},
        )
    chunk = base | {"object": "chat.completion.chunk"}
    events: list[Mapping[str, Any]] = [
        chunk | {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
        for word in WORDS
    ]
    events.append(chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if (ask.get("stream_options") or {}).get("include_usage"):
        events.append(chunk | {"choices": [], "usage": USAGE})
    gap = float(request.headers.get("x-test-gap", "0"))
    return _sse(events * int(request.headers.get("x-test-repeat", "1")), done=True, gap=gap)


async def completion(request: Request) -> Response:
    ask = _json(await _keep(request))
    return JSONResponse(
        {
            "id": "cmpl-1",
            "object": "text_completion",
            "created": 1,
            "model": ask.get("model", ""),
            "choices": [{"index": 0, "text": TEXT, "finish_reason": "stop"}],
            "usage": USAGE,
        }
    )


def _response(model: str, status: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": TEXT, "annotations": []}]
    item = {"type": "message", "id": "msg_1", "status": status, "role": "assistant", "content": content}
    usage = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 6,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }
    base = {"id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": model}
    tools = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    return base | tools | {"output": [item], "usage": usage}


async def responses(request: Request) -> Response:
    ask = _json(await _keep(request))
    whole = _response(ask.get("model", ""), "completed")
    if not ask.get("stream"):
        return JSONResponse(whole)
    events: list[Mapping[str, Any]] = [
        {
            "type": "response.created",
            "sequence_number": 0,
            "response": whole | {"status": "in_progress", "output": [], "usage": None},
        }
    ]
    item = {"type": "message", "id": "msg_1", "status": "in_progress", "role": "assistant", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "sequence_number": 0}
    events.append(
        {"type": "response.output_item.added", "sequence_number": 0, "output_index": 0, "item": item}
    )
    events.append({"type": "response.content_part.added", "part": part} | place)
    events += [
        {
            "type": "response.output_text.delta",
            "sequence_number": index + 1,
            "item_id": "msg_1",
            "output_index": 0,
            "content_index": 0,
            "delta": word,
            "logprobs": [],
        }
        for index, word in enumerate(WORDS)
    ]
    events.append({"type": "response.completed", "sequence_number": len(WORDS) + 1, "response": whole})
    return _sse(events, named=True)


async def embeddings(request: Request) -> Response:
    ask = _json(await _keep(request))
    vector: Any = [0.5, -0.5]
    if ask.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<2f", 0.5, -0.5)).decode()
    return JSONResponse(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": vector}],
            "model": ask.get("model", ""),
            "usage": {"prompt_tokens": 3, "total_tokens": 3},
        }
    )


async def images(request: Request) -> Response:
    await _keep(request)
    usage = {
        "input_tokens": 5,
        "output_tokens": 1056,
        "total_tokens": 1061,
        "input_tokens_details": {"text_tokens": 5, "image_tokens": 0},
    }
    return JSONResponse({"created": 1, "data": [{"b64_json": PIXEL}], "usage": usage})


async def transcription(request: Request) -> Response:
    await _keep(request)
    return JSONResponse({"text": TEXT, "usage": {"type": "duration", "seconds": 7}})


async def speech(request: Request) -> Response:
    await _keep(request)
    return Response(b"ID3 fixed audio bytes" * 100, media_type="audio/mpeg")


async def moderation(request: Request) -> Response:
    await _keep(request)
    return JSONResponse(
        {
            "id": "modr-1",
            "model": "omni",
            "results": [
                {
                    "flagged": False,
                    "categories": {},
                    "category_scores": {},
                    "category_applied_input_types": {},
                }
            ],
        }
    )


async def models(request: Request) -> Response:
    await _keep(request)
    return JSONResponse(
        {
            "object": "list",
            "data": [{"id": "gpt-4o-mini", "object": "model", "created": 1, "owned_by": "test"}],
            "has_more": False,
            "first_id": None,
            "last_id": None,
        }
    )


async def files(request: Request) -> Response:
    await _keep(request)
    return JSONResponse(
        {
            "id": "file-1",
            "object": "file",
            "bytes": 10,
            "created_at": 1,
            "filename": "a.jsonl",
            "purpose": "batch",
            "status": "processed",
        }
    )


async def batches(request: Request) -> Response:
    await _keep(request)
    return JSONResponse(
        {
            "id": "batch_1",
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": "file-1",
            "completion_window": "24h",
            "status": "validating",
            "created_at": 1,
        }
    )


async def messages(request: Request) -> Response:
    ask = _json(await _keep(request))
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
    return _sse(events, named=True)


async def count_tokens(request: Request) -> Response:
    await _keep(request)
    return JSONResponse({"input_tokens": 9})


async def gemini(request: Request) -> Response:
    await _keep(request)
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
            return _sse(list(parts))
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
    await _keep(request)
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
    await _keep(request)
    usage = {"input_tokens": 9, "output_tokens": 6}
    content = [{"type": "text", "text": TEXT}]
    return JSONResponse(
        {"id": "msg_1", "type": "message", "role": "assistant", "content": content, "usage": usage}
    )


async def converse_stream(request: Request) -> Response:
    await _keep(request)
    frames = [frame("messageStart", {"role": "assistant"})]
    frames += [
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}) for word in WORDS
    ]
    frames.append(frame("messageStop", {"stopReason": "end_turn"}))
    frames.append(frame("metadata", {"usage": BEDROCK_USAGE, "metrics": {"latencyMs": 5}}))
    return _frames(frames)


async def invoke_stream(request: Request) -> Response:
    await _keep(request)
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


async def realtime(socket: WebSocket) -> None:
    asked.append(
        {
            "method": "GET",
            "target": socket.url.path + f"?{socket.url.query}",
            "headers": [[name.decode(), value.decode("latin-1")] for name, value in socket.headers.raw],
            "body": "",
            "bytes": 0,
            "crc": 0,
        }
    )
    await socket.accept()
    await socket.send_json(
        {"type": "session.created", "event_id": "event_1", "session": {"type": "realtime"}}
    )
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        event = json.loads(message.get("text") or message.get("bytes") or b"{}")
        if event.get("type") == "response.create":
            for word in WORDS:
                await socket.send_json(
                    {
                        "type": "response.output_text.delta",
                        "event_id": "e",
                        "response_id": "r",
                        "item_id": "i",
                        "output_index": 0,
                        "content_index": 0,
                        "delta": word,
                    }
                )
            usage = {"total_tokens": 15, "input_tokens": 9, "output_tokens": 6}
            await socket.send_json(
                {
                    "type": "response.done",
                    "event_id": "e",
                    "response": {
                        "id": "resp_1",
                        "object": "realtime.response",
                        "status": "completed",
                        "usage": usage,
                    },
                }
            )


async def show(request: Request) -> Response:
    del request
    return JSONResponse(asked)


async def large(request: Request) -> Response:
    """Answer with as many bytes as ``x-test-bytes`` says, as fast as they are taken."""
    await _keep(request)
    size = int(request.headers.get("x-test-bytes", "1000"))

    async def stream() -> AsyncIterator[bytes]:
        block = b'{"padding":"' + b"x" * 65_500 + b'"}\n'
        for start in range(0, size, len(block)):
            yield block[: size - start]

    return StreamingResponse(stream(), media_type="application/json", headers={"content-length": str(size)})


POST = ["POST"]
OPENAI = {
    "chat/completions": chat, "completions": completion, "responses": responses, "embeddings": embeddings,
    "images/generations": images, "images/edits": images, "audio/transcriptions": transcription,
    "audio/translations": transcription, "audio/speech": speech, "moderations": moderation, "files": files,
    "batches": batches,
}  # fmt: skip
AZURE = (
    "chat/completions",
    "completions",
    "embeddings",
    "images/generations",
    "images/edits",
    "audio/transcriptions",
    "audio/speech",
)
application = Starlette(
    routes=[
        Route("/asked", show),
        Route("/v1/files/large", large),
        *(Route(f"/v1/{path}", end, methods=POST) for path, end in OPENAI.items()),
        *(Route(f"/openai/v1/{path}", end, methods=POST) for path, end in OPENAI.items()),
        *(Route(f"/openai/deployments/{{name}}/{path}", OPENAI[path], methods=POST) for path in AZURE),
        Route("/openai/responses", responses, methods=POST),
        Route("/v1/models", models),
        Route("/v1/messages", messages, methods=POST),
        Route("/v1/messages/count_tokens", count_tokens, methods=POST),
        Route("/v1/models/{model}", gemini, methods=POST),
        Route("/v1beta/models/{model}", gemini, methods=POST),
        Route("/model/{model:path}/converse", converse, methods=POST),
        Route("/model/{model:path}/converse-stream", converse_stream, methods=POST),
        Route("/model/{model:path}/invoke", invoke, methods=POST),
        Route("/model/{model:path}/invoke-with-response-stream", invoke_stream, methods=POST),
        WebSocketRoute("/v1/realtime", realtime),
    ]
)


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(application, host="127.0.0.1", port=parser.parse_args().port, log_level="warning")


if __name__ == "__main__":
    main()
