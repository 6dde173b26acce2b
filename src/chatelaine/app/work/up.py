"""Behind ``chatelaine up``: the supervisor, and how the gate is reached."""

from collections.abc import Callable
from pathlib import Path

from chatelaine.adapters.log import set_up
from chatelaine.app.processes import Supervisor
from chatelaine.app.wire import Places
from chatelaine.model.settings import Settings
from chatelaine.surfaces.cli.options import Chosen

_ANY_HOST = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound


class Up:
    """Starts the service."""

    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen

    def run(self, *, workers: int | None, ready: Callable[[str], None]) -> int:
        """Start the service and keep it; ``ready`` is told how to reach it once it takes traffic."""
        set_up()
        overrides = self._chosen.overrides
        if workers is not None:
            overrides = (*overrides, ("gate.workers", str(workers)))

        def announce(settings: Settings, places: Places) -> None:
            ready(ready_text(settings, places.root))

        return Supervisor(self._chosen.path, overrides).run(announce)


def begin(chosen: Chosen) -> Up:
    """Return what the command works with."""
    return Up(chosen)


def base_url(settings: Settings) -> str:
    """Return where clients on this machine reach the gate."""
    gate = settings.gate
    host = "localhost" if gate.host in _ANY_HOST else gate.host
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if gate.tls.enabled else 'http'}://{shown}:{gate.port}"


def export_lines(settings: Settings, root: Path, token: str) -> str:
    """Return the lines that point an OpenAI client at the gate."""
    lines = [f"export OPENAI_BASE_URL={base_url(settings)}/v1", f"export OPENAI_API_KEY={token}"]
    tls = settings.gate.tls
    if tls.enabled and tls.certificate is None:
        # The certificate is our own: clients are told to believe it.
        lines.append(f"export SSL_CERT_FILE={root / 'gate.crt'}")
    return "".join(f"{line}\n" for line in lines)


def ready_text(settings: Settings, root: Path) -> str:
    """Return what is shown once the gate takes traffic."""
    url, admin = base_url(settings), settings.admin
    warning = "" if settings.upstreams else "  no upstream is set: chatelaine config init shows how\n"
    return (
        f"chatelaine is ready at {url}\n{warning}"
        f"  admin port: http://{admin.host}:{admin.port}/readyz /livez /metrics\n"
        "  chatelaine keys issue --owner … --app … --contact …   makes a key; then:\n\n"
        f"{export_lines(settings, root, '<key>')}"
        f"export ANTHROPIC_BASE_URL={url}\n"
        f"export AZURE_OPENAI_ENDPOINT={url}\n"
    )
