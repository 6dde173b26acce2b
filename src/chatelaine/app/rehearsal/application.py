"""The demo's app, a process of its own: the real OpenAI SDK, configured by its usual variables alone."""

import sys
from collections.abc import Iterator

import openai

from chatelaine.app.rehearsal.model_server import MODEL
from chatelaine.app.rehearsal.talk import QUESTIONS, Answered, Failed, Piece, Question, Ready, Said, line


def main() -> None:
    """Ask what the lines of standard input say, until it ends."""
    # Retries would hide from the onlooker what the first answer was.
    with openai.OpenAI(max_retries=0, timeout=20) as client:
        _say(Ready(f"openai {openai.__version__}"))
        for asked in sys.stdin.buffer:
            for said in _ask(client, QUESTIONS.decode(asked)):
                _say(said)


def _ask(client: openai.OpenAI, question: Question) -> Iterator[Said]:
    try:
        yield from (_streamed if question.stream else _whole)(client, question.text)
    except openai.APIStatusError as error:
        yield Failed(type(error).__name__, error.status_code, error.code or "", error.message)
    except Exception as error:  # noqa: BLE001 - how a broken stream is raised depends on the SDK's release
        yield Failed(type(error).__name__, 0, "", str(error))


def _whole(client: openai.OpenAI, text: str) -> Iterator[Said]:
    reply = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}])
    tokens = reply.usage.completion_tokens if reply.usage else 0
    yield Answered(reply.choices[0].message.content or "", tokens)


def _streamed(client: openai.OpenAI, text: str) -> Iterator[Said]:
    whole, tokens = "", 0
    with client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": text}],
        stream=True,
        stream_options={"include_usage": True},
    ) as events:
        for event in events:
            tokens = event.usage.completion_tokens if event.usage else tokens
            for choice in event.choices:
                whole += choice.delta.content or ""
                yield Piece(choice.delta.content or "")
    yield Answered(whole, tokens)


def _say(said: Said) -> None:
    sys.stdout.buffer.write(line(said))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
