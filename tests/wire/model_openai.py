"""The model server as OpenAI and Azure speak."""

import base64
import struct
from collections.abc import Mapping
from typing import Any

from model_words import PIXEL, TEXT, USAGE, WORDS, keep, parsed, sse
from starlette.requests import Request
from starlette.responses import JSONResponse, Response


async def chat(request: Request) -> Response:
    ask = parsed(await keep(request))
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
    return sse(events * int(request.headers.get("x-test-repeat", "1")), done=True, gap=gap)


async def completion(request: Request) -> Response:
    ask = parsed(await keep(request))
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
    ask = parsed(await keep(request))
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
    return sse(events, named=True)


async def embeddings(request: Request) -> Response:
    ask = parsed(await keep(request))
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
    await keep(request)
    usage = {
        "input_tokens": 5,
        "output_tokens": 1056,
        "total_tokens": 1061,
        "input_tokens_details": {"text_tokens": 5, "image_tokens": 0},
    }
    return JSONResponse({"created": 1, "data": [{"b64_json": PIXEL}], "usage": usage})


async def transcription(request: Request) -> Response:
    await keep(request)
    return JSONResponse({"text": TEXT, "usage": {"type": "duration", "seconds": 7}})


async def speech(request: Request) -> Response:
    await keep(request)
    return Response(b"ID3 fixed audio bytes" * 100, media_type="audio/mpeg")


async def moderation(request: Request) -> Response:
    await keep(request)
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
    await keep(request)
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
    await keep(request)
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
    await keep(request)
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
