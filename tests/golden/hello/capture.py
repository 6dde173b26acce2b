"""Capture the ClientHello of real clients into this folder: ``capture.py [client …]``.

Each client is pointed at a socket on the loopback interface that takes its first flight and hangs up.
"""

import socket
import subprocess
import sys
from pathlib import Path

from chatelaine.core.exchange.hello import PEEK_MAX, lacking, parse
from chatelaine.core.exchange.ja4 import fingerprint

HERE = Path(__file__).resolve().parent
PYTHON = sys.executable
CLIENTS = {
    "openai-python": [
        PYTHON,
        "-c",
        (
            "import sys, openai; openai.OpenAI(base_url=sys.argv[1] + '/v1', api_key='k', max_retries=0)"
            ".models.list()"
        ),
    ],
    "anthropic-python": [
        PYTHON,
        "-c",
        (
            "import sys, anthropic; anthropic.Anthropic(base_url=sys.argv[1], api_key='k', max_retries=0)"
            ".messages.create(model='m', max_tokens=1, messages=[{'role': 'user', 'content': 'x'}])"
        ),
    ],
    "google-genai-python": [
        PYTHON,
        "-c",
        (
            "import sys; from google import genai; client = genai.Client(api_key='k',"
            "http_options={'base_url': sys.argv[1]}); client.models.generate_content(model='m', contents='x')"
        ),
    ],
    "boto3-bedrock": [
        PYTHON,
        "-c",
        (
            "import os, sys, boto3, botocore.config as c; os.environ['AWS_BEARER_TOKEN_BEDROCK'] = 'k';"
            "boto3.client('bedrock-runtime', region_name='us-east-1', endpoint_url=sys.argv[1],"
            "config=c.Config(retries={'total_max_attempts': 1}))"
            ".converse(modelId='m', messages=[{'role': 'user', 'content': [{'text': 'x'}]}])"
        ),
    ],
    "curl": ["curl", "-sS", "--max-time", "5"],
    "node-fetch": ["node", "-e", "fetch(process.argv[1]).catch(() => {})"],
    "node-https": ["node", "-e", "require('https').get(process.argv[1]).on('error', () => {})"],
    "openssl": ["sh", "-c", "openssl s_client -connect ${0#https://} </dev/null"],
}


def capture(command: list[str]) -> bytes:
    """Run a client against a socket of ours and return its ClientHello records."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        url = f"https://localhost:{server.getsockname()[1]}"
        with subprocess.Popen(
            [*command, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as client:
            try:
                connection, _ = server.accept()
                with connection:
                    data = b""
                    while lacking(data):
                        data += connection.recv(PEEK_MAX)
            finally:
                client.kill()
    return data


def main() -> None:
    """Capture the clients named on the command line, or all."""
    for name in sys.argv[1:] or CLIENTS:
        data = capture(CLIENTS[name])
        (HERE / f"{name}.bin").write_bytes(data)
        hello = parse(data)
        print(name, len(data), fingerprint(hello) if hello else "-", hello.alpn if hello else "-")  # noqa: T201 - a script


if __name__ == "__main__":
    main()
