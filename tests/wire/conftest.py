"""One model server and one Chatelaine over TLS, or an upstream that misbehaves, for the tests of a module."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from house import House, house, model_server
from plain_upstream import Upstream, plain_upstream


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


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with plain_upstream() as running:
        yield running


@pytest.fixture
def held(upstream: Upstream) -> Iterator[None]:
    """Let the upstream hold what it is told to hold, until the test says or ends; it has seen nothing yet."""
    upstream.go_on.clear()
    upstream.visits.clear()
    yield
    upstream.go_on.set()
