"""Where things lie in the storage directory."""

import socket
from pathlib import Path

import pytest

from chatelaine.app.wire import Places

pytestmark = pytest.mark.wire


@pytest.mark.parametrize("depth", [0, 6])
def test_the_hubs_socket_can_be_bound_however_deep_the_directory_is(tmp_path: Path, depth: int) -> None:
    root = tmp_path.joinpath(*["a-rather-long-directory-name"] * depth)
    places = Places(root)
    places.prepare()
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as calling:
        listening.bind(str(places.socket))
        listening.listen()
        calling.connect(str(places.socket))
        assert (root / "hub.sock").exists()
