"""Content capture on a running gate: kept for whom it is asked, shown on the record, in clear nowhere."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from caller import chat, once, request
from house import House, house
from plain_upstream import Upstream

pytestmark = pytest.mark.wire
SAID = "A sentence that stands in no journal"
CAPTURE = """
capture:
  enabled: true
  owners: [acme]
"""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with house(folder, model=upstream.port, tls=False, extra=CAPTURE) as running:
        yield running


def asking(token: str) -> bytes:
    body = json.loads(chat())
    body["messages"] = [{"role": "user", "content": SAID}]
    return request(token, json.dumps(body).encode())


def files_with(folder: Path, text: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_content_is_kept_encrypted_and_shown_on_the_record(gate: House) -> None:
    answer = asyncio.run(once(gate.port, asking(gate.issue())))
    assert answer.status == 200
    (opened,) = [event for event in gate.events() if event["kind"] == "exchange.opened"]
    shown = gate.run("capture", "show", opened["exchange"], "--by", "ada").stdout
    assert SAID in shown
    assert files_with(gate.folder, SAID) == []
    acts = [event for event in gate.events() if event["kind"] == "admin.acted"]
    assert [(act["action"], act["by"]) for act in acts if act["action"].startswith("capture")] == [
        ("capture.show", "ada")
    ]
