"""Simulated clients before a real gate: many addresses, programs and TLS stacks, and one machine."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from house import House, house

from chatelaine.app.rehearsal.traffic import visitor
from chatelaine.core.play import place, program
from chatelaine.core.play.chance import Chance

pytestmark = pytest.mark.wire
SCENARIOS = ("proxy_resale", "batch_validation", "sdk_upgrade")


def drive(gate: House, folder: Path, *arguments: str) -> Any:
    """Drive a gate for some seconds, and return what the command told."""
    tokens = folder / "tokens"
    tokens.write_text("\n".join(gate.issue() for _ in range(4)))
    scenarios = [word for name in SCENARIOS for word in ("--scenario", name)]
    command = [sys.executable, "-m", "chatelaine.app", "simulate", "--json", "--days", "2", "--keys", "2"]
    where = ["--http", gate.url.replace("localhost", "127.0.0.1"), "--tokens", str(tokens)]
    done = subprocess.run(
        [*command, *scenarios, *where, *arguments], capture_output=True, text=True, check=True, timeout=90
    )
    return json.loads(done.stdout)


def clients(gate: House) -> Sequence[Any]:
    return [event["client"] for event in gate.events() if "client" in event]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, model_port: int) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("plain"), model=model_port, tls=False) as running:
        yield running


def test_a_gate_sees_many_clients_that_are_all_on_this_machine(gate: House, tmp_path: Path) -> None:
    told = drive(gate, tmp_path, "--ca", str(gate.certificate), "--rate", "60", "--seconds", "4")
    assert 60 <= told["requests"] <= 4 * 60
    assert "0" not in told["statuses"], told
    seen = clients(gate)
    assert len(seen) == told["requests"]
    assert all(client["network"]["ip"].startswith("127.") for client in seen)
    assert len({client["network"]["ip"] for client in seen}) == told["addresses"] > 5
    assert len({client["greeting"]["ja4"] for client in seen}) == told["stacks"] > 2
    assert len({client["header_hash"] for client in seen}) > 2
    assert len({client["user_agent"] for client in seen}) > 5


def test_a_gate_without_tls_sees_them_too_and_no_faster_than_told(plain: House, tmp_path: Path) -> None:
    told = drive(plain, tmp_path, "--rate", "10", "--seconds", "3")
    assert told["requests"] <= 30
    assert told["stacks"] == 0
    assert "0" not in told["statuses"], told
    asked = [event["asked"]["numbers"] for event in plain.events() if "asked" in event]
    assert any(["max_tokens", -1.0] in numbers for numbers in asked), "an impossible cap arrives as it is"


def test_a_certificate_of_somebody_else_is_not_trusted(gate: House, plain: House, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with house(tmp_path / "other", model=plain.model) as other:
        certificate = str(other.certificate)
        told = drive(gate, tmp_path, "--ca", certificate, "--rate", "10", "--seconds", "1")
    assert told["statuses"] == {"0": told["requests"]}


def test_clients_of_one_network_stay_neighbours_and_others_apart() -> None:
    chance, tool = Chance(1), program.program("curl", 1)
    one = place.fixed(chance, place.CLOUDS, 2).networks
    other = place.fixed(chance, place.CLOUDS, 1).networks
    near = [visitor(tool.on(network)).address.rpartition(".")[0] for network in one]
    far = visitor(tool.on(other[0])).address.rpartition(".")[0]
    assert near[0] == near[1] != far
