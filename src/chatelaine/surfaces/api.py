"""The admin port: whether the service lives and is ready, and what it has counted."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

_EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
_METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the admin port asks of the hub."""

    reasons: Callable[[], Sequence[str]]
    """Why the service is not ready; none where it is."""
    metrics: Callable[[], str]
    """Everything counted, in Prometheus' text format."""


def admin_application(vitals: Vitals) -> Starlette:
    """Return the application of the admin port; it answers its own paths and nothing else."""

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(_: Request) -> Response:
        reasons = list(vitals.reasons())
        return JSONResponse({"ready": not reasons, "reasons": reasons}, status_code=503 if reasons else 200)

    async def metrics(_: Request) -> Response:
        return PlainTextResponse(vitals.metrics(), media_type=_EXPOSITION)

    served: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/livez": live,
        "/readyz": ready,
        "/metrics": metrics,
        # The paths that charts for LiteLLM probe.
        "/health/liveliness": live,
        "/health/liveness": live,
        "/health/readiness": ready,
    }
    application = Starlette(routes=[Route(path, call, methods=_METHODS) for path, call in served.items()])
    application.router.redirect_slashes = False
    return application
