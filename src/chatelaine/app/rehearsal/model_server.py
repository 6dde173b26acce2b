"""A model server for the demo: fixed words in the OpenAI dialect, on the loopback interface alone."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Self

from msgspec import DecodeError, Struct
from msgspec.json import decode

MODEL: Final = "gpt-5-mini"
_MOST_HEAD: Final = 64 * 1024
_MOST_BODY: Final = 1024 * 1024
_CREATED: Final = 1_700_000_000


class _Message(Struct):
    role: str
    content: str


class _Chat(Struct):
    model: str
    messages: list[_Message]
    stream: bool = False
    max_tokens: int | None = None


class ModelServer:
    """Answers chat completions, whole or word by word, with what it was told to say."""

    def __init__(
        self, answers: Mapping[str, str], *, pace: float, models: frozenset[str] = frozenset()
    ) -> None:
        """Take questions with their answers, the seconds between two words of a stream, and the models.

        ``models``: those there are; empty: any that is asked for.
        """
        self.port = 0
        self.words_not_asked_for = 0
        """Words of streams that were still to come when the gate hung up."""
        self._answers = answers
        self._pace = pace
        self._models = models
        self._running: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Begin to listen on a free port."""
        self._running = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_MOST_HEAD)
        self.port = self._running.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *fault: object) -> None:
        """Stop listening."""
        if self._running is not None:
            self._running.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(head, await reader.readexactly(_length(head)), writer)
        writer.close()

    async def _answer(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        if head.startswith(b"GET /v1/models "):
            listed = [{"id": model, "object": "model"} for model in sorted(self._models)]
            await _send_json(writer, 200, {"object": "list", "data": listed})
            return
        if not head.startswith(b"POST /v1/chat/completions "):
            await _send_json(writer, 404, {"error": {"message": "no such route", "code": "not_found"}})
            return
        try:
            chat = decode(body, type=_Chat)
        except DecodeError as error:
            await _send_json(writer, 400, {"error": {"message": str(error), "code": "bad_request"}})
            return
        if refused := self._refusal(chat):
            await _send_json(writer, *refused)
            return
        asked = chat.messages[-1].content if chat.messages else ""
        words = self._answers.get(asked, "I know few words.").split(" ")
        usage = _usage(chat, len(words))
        if chat.stream:
            await self._stream(chat.model, words, usage, writer)
        else:
            await _send_json(writer, 200, _completion(chat.model, " ".join(words), usage))

    def _refusal(self, chat: _Chat) -> tuple[int, Mapping[str, object]] | None:
        """Return status and body where the provider would not serve it."""
        if chat.max_tokens is not None and chat.max_tokens < 1:
            return 400, {"error": {"message": "max_tokens is too small", "code": "invalid_value"}}
        if self._models and chat.model not in self._models:
            return 404, {"error": {"message": "no such model", "code": "model_not_found"}}
        return None

    async def _stream(
        self, model: str, words: list[str], usage: dict[str, int], writer: asyncio.StreamWriter
    ) -> None:
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for sent, word in enumerate(words):
            try:
                await _send_event(writer, _delta(model, word if sent == 0 else f" {word}"))
            except OSError:
                self.words_not_asked_for += len(words) - sent
                raise
            await asyncio.sleep(self._pace)
        await _send_event(writer, {**_delta(model, ""), "choices": [_LAST]})
        await _send_event(writer, {**_delta(model, ""), "choices": [], "usage": usage})
        writer.write(_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()


_LAST: Final = {"index": 0, "delta": {}, "finish_reason": "stop"}
_HEAD: Final = {"id": "chatcmpl-rehearsal", "created": _CREATED}


def _length(head: bytes) -> int:
    """Return how long a request's body is; the gate declares it for every JSON body."""
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length" and value.strip().isdigit():
            return min(int(value), _MOST_BODY)
    return 0


def _usage(chat: _Chat, output: int) -> dict[str, int]:
    asked = sum(len(message.content.split()) + 4 for message in chat.messages)
    return {"prompt_tokens": asked, "completion_tokens": output, "total_tokens": asked + output}


def _delta(model: str, text: str) -> dict[str, object]:
    choice = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
    return {**_HEAD, "object": "chat.completion.chunk", "model": model, "choices": [choice]}


def _completion(model: str, text: str, usage: dict[str, int]) -> dict[str, object]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {**_HEAD, "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def _send_event(writer: asyncio.StreamWriter, told: Mapping[str, object]) -> None:
    if writer.is_closing():
        raise ConnectionResetError("the reader has left")
    writer.write(_chunk(b"data: " + json.dumps(told).encode() + b"\n\n"))
    await writer.drain()


async def _send_json(writer: asyncio.StreamWriter, status: int, told: Mapping[str, object]) -> None:
    body = json.dumps(told).encode()
    phrase = {200: "OK", 400: "Bad Request", 404: "Not Found"}[status]
    head = f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    writer.write(head.encode() + b"\r\n" + body)
    await writer.drain()
