"""A model server that needs no model: it speaks every dialect and says fixed words.

It keeps what it was asked, so that tests can compare byte by byte. Run as a program it listens on
``--port`` and serves until it is ended.
"""

import argparse
import json
from collections.abc import AsyncIterator

import uvicorn
from model_openai import (
    batches,
    chat,
    completion,
    embeddings,
    files,
    images,
    models,
    moderation,
    responses,
    speech,
    transcription,
)
from model_others import (
    converse,
    converse_stream,
    count_tokens,
    gemini,
    invoke,
    invoke_stream,
    messages,
)
from model_words import WORDS, asked, keep
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket


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
    await keep(request)
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
