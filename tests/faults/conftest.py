"""The faults' tests use the whole house of the wire's tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "wire"))

from house import model_server


@pytest.fixture(scope="session")
def model_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with model_server(tmp_path_factory.mktemp("model")) as port:
        yield port
