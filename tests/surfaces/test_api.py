"""The admin port answers its own paths and nothing else."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from chatelaine.surfaces.api import Vitals, admin_application


def ask(method: str, path: str, reasons: tuple[str, ...] = ()) -> tuple[int, dict[str, str], bytes]:
    """Ask the application as a server would (ASGI 3.0)."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [],
        "root_path": "",
    }
    application = admin_application(Vitals(lambda: reasons, lambda: "metric 1\n"))
    asyncio.run(application(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize("path", ["/readyz", "/health/readiness"])
def test_a_ready_service_says_so_without_reasons(path: str) -> None:
    status, _, body = ask("GET", path)
    assert (status, json.loads(body)) == (200, {"ready": True, "reasons": []})


@pytest.mark.parametrize("path", ["/readyz", "/health/readiness"])
def test_a_service_that_is_not_ready_says_why(path: str) -> None:
    status, _, body = ask("GET", path, ("worker 2 is missing",))
    assert (status, json.loads(body)) == (503, {"ready": False, "reasons": ["worker 2 is missing"]})


@pytest.mark.parametrize("path", ["/livez", "/health/liveliness", "/health/liveness"])
def test_a_service_that_is_not_ready_lives_all_the_same(path: str) -> None:
    assert ask("GET", path, ("the store",))[0] == 200


def test_metrics_come_in_the_format_prometheus_asks_for() -> None:
    status, headers, body = ask("GET", "/metrics")
    assert (status, body) == (200, b"metric 1\n")
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_head_is_answered_as_get_without_a_body() -> None:
    assert ask("HEAD", "/livez")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE", "CONNECT", "OPTIONS", "PROPFIND", "X"])
def test_other_methods_are_refused(method: str) -> None:
    assert ask(method, "/metrics")[0] == 405


@pytest.mark.parametrize(
    "path", ["/", "/livez/", "/metrics/..", "//livez", "/docs", "/openapi.json", "/v1/models"]
)
def test_nothing_else_is_there(path: str) -> None:
    assert ask("GET", path)[0] == 404
