"""One model server and one Chatelaine over TLS, shared by the tests of a module."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from house import House, house, model_server


@pytest.fixture(scope="session")
def model_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with model_server(tmp_path_factory.mktemp("model")) as port:
        yield port


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, model_port: int) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("house"), model=model_port) as running:
        yield running


@pytest.fixture(scope="module")
def token(gate: House) -> str:
    return gate.issue()
