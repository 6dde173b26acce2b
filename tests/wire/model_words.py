"""What all dialects of the model server share: its words, what it was asked, how it streams."""

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

WORDS = ("The ", "keeper ", "of ", "a ", "castle's ", "keys.")
TEXT = "".join(WORDS)
USAGE = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
PIXEL = base64.b64encode(b"\x89PNG fixed bytes").decode()

asked: list[dict[str, Any]] = []
"""What came in, newest last; shown under ``GET /asked``."""


async def keep(request: Request) -> bytes:
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


def parsed(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def sse(
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
