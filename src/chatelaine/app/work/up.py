"""Behind ``chatelaine up``: the supervisor, and how the gate is reached."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from chatelaine.adapters.log import set_up
from chatelaine.app.processes import Supervisor
from chatelaine.app.settings_schema import FROM_ENVIRONMENT
from chatelaine.app.wire import Places, read_settings
from chatelaine.app.work.config import write_first
from chatelaine.model.settings import Settings
from chatelaine.surfaces.cli.options import DEFAULT_FILE, Chosen

_ANY_HOST = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound


class Up:
    """Starts the service."""

    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen

    def run(self, *, workers: int | None, tell: Callable[[str], None]) -> int:
        """Keep the service up; ``tell`` is told what was begun, and how to reach it once it takes traffic."""
        set_up()
        path = self._chosen.path or self._begin(tell)
        overrides = self._chosen.overrides
        if workers is not None:
            overrides = (*overrides, ("gate.workers", str(workers)))

        def announce(settings: Settings, places: Places, held: frozenset[str]) -> None:
            tell(ready_text(settings, places.root, held))

        return Supervisor(path, overrides).run(announce)

    def _begin(self, tell: Callable[[str], None]) -> str:
        """Write a first settings file where none is named and nothing else says where requests go."""
        if read_settings("", self._chosen.overrides).upstreams:
            return ""
        path = Path(DEFAULT_FILE).resolve()
        source = first_credential(os.environb.get(b"OPENAI_API_KEY", b""))
        write_first(path, credential=source)
        tell(f"wrote {path}\n  with OpenAI as upstream, its key from {source}; chatelaine config check\n\n")
        return str(path)


def begin(chosen: Chosen) -> Up:
    """Return what the command works with."""
    return Up(chosen)


def first_credential(given: bytes) -> str:
    """Return where a first upstream's key is read from, given what the environment has for OpenAI.

    A key of our own there was set for an application: it is no provider key.
    """
    return FROM_ENVIRONMENT if given and not given.startswith(b"chln_") else "vault:openai"


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


def _lacking(settings: Settings, held: frozenset[str]) -> Iterator[str]:
    if not settings.upstreams:
        yield "no upstream is set: chatelaine config init shows how"
    for upstream in settings.upstreams:
        kind, _, name = (upstream.credential.source if upstream.credential else "").partition(":")
        if kind == "vault" and name not in held:
            yield f"upstream {upstream.name} waits for its key: chatelaine keys provider put {name}"


def ready_text(settings: Settings, root: Path, held: frozenset[str]) -> str:
    """Return what is shown once the gate takes traffic; ``held`` names the vault's provider keys."""
    url, admin = base_url(settings), settings.admin
    warning = "".join(f"  {line}\n" for line in _lacking(settings, held))
    return (
        f"chatelaine is ready at {url}\n{warning}"
        f"  admin port: http://{admin.host}:{admin.port}/readyz /livez /metrics\n"
        "  chatelaine keys issue --owner … --app … --contact …   makes a key; then:\n\n"
        f"{export_lines(settings, root, '<key>')}"
        f"export ANTHROPIC_BASE_URL={url}\n"
        f"export AZURE_OPENAI_ENDPOINT={url}\n"
    )
