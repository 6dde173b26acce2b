"""The rivals of the gate: nginx, Envoy and LiteLLM, each set up as plainly as it can be."""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rig import GATE_CORE, Rig, free_port, running, say

ROOT = Path(__file__).resolve().parent.parent
CHATELAINE = (sys.executable, "-m", "chatelaine.app")

NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream up {{ server 127.0.0.1:{upstream}; keepalive 256; }}
  server {{
    listen 127.0.0.1:{port}{ssl};
    {certificate}
    location / {{
      proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""

KIND = "type.googleapis.com/envoy.extensions.filters"
ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": {kind}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes: [{{match: {{prefix: "/"}}, route: {{cluster: up, timeout: 0s}}}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": {kind}.http.router.v3.Router}}
  clusters:
  - name: up
    type: STATIC
    load_assignment:
      cluster_name: up
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream}}}}}}}
"""

LITELLM = """
model_list:
  - model_name: gpt-4o-mini
    litellm_params: {{model: openai/gpt-4o-mini, api_base: "http://127.0.0.1:{upstream}/v1", api_key: fake}}
general_settings: {{master_key: sk-bench}}
"""
QUIET = {"version": 1, "disable_existing_loggers": False, "loggers": {"uvicorn.access": {"level": "ERROR"}}}
"""LiteLLM's logging: like nginx here, it does not write a line for each request."""

CONFIG = """
gate:
  host: 127.0.0.1
  port: {port}
  workers: 1
  tls: {tls}
admin: {{port: {admin}}}
journal: {{durability: {durability}}}
storage: {{directory: {folder}/data-{port}}}
upstreams:
  - name: fake
    provider: openai
    url: http://127.0.0.1:{upstream}
    allow_addresses: [127.0.0.0/8]
"""


@dataclass
class Running:
    """A server under test."""

    port: int
    pid: int
    headers: tuple[str, ...] = ()


@contextlib.contextmanager
def nginx(
    rig: Rig, upstream: int, *, core: str = GATE_CORE, tls: tuple[Path, Path] | None = None
) -> Iterator[Running]:
    """Run nginx as a plain reverse proxy with pooled connections and no log."""
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    port = free_port()
    config = rig.folder / f"nginx-{port}.conf"
    # Without a word nginx 1.22 stays at TLS 1.2; both ends speak 1.3 here.
    shown = f"ssl_certificate {tls[0]}; ssl_certificate_key {tls[1]}; ssl_protocols TLSv1.3;" if tls else ""
    config.write_text(
        NGINX.format(
            folder=rig.folder, port=port, upstream=upstream, ssl=" ssl" if tls else "", certificate=shown
        )
    )
    command = [binary, "-c", str(config), "-e", str(rig.folder / "nginx.log")]
    with running(command, core=core, port=port, log=rig.folder / "nginx.out") as pid:
        yield Running(port, pid)


@contextlib.contextmanager
def bare(rig: Rig, upstream: int) -> Iterator[Running]:
    """Run a proxy of the gate's parts that does nothing: how much of the cost is the platform's."""
    port = free_port()
    command = [sys.executable, str(ROOT / "bench" / "bare.py"), str(port), str(upstream)]
    with running(command, core=GATE_CORE, port=port, log=rig.folder / "bare.log") as pid:
        yield Running(port, pid)


def envoy_binary() -> str | None:
    """Return Envoy's program, where the package that carries it is installed."""
    return shutil.which("envoy") or shutil.which("envoy", path=str(Path(sys.executable).parent))


@contextlib.contextmanager
def envoy(rig: Rig, upstream: int, *, core: str = GATE_CORE) -> Iterator[Running]:
    """Run Envoy with one worker as a plain reverse proxy."""
    port = free_port()
    config = rig.folder / f"envoy-{port}.yaml"
    config.write_text(ENVOY.format(port=port, upstream=upstream, kind=KIND))
    command = [str(envoy_binary()), "-c", str(config), "--concurrency", "1", "--log-level", "error"]
    command += ["--base-id", str(port), "--disable-hot-restart"]
    with running(command, core=core, port=port, log=rig.folder / "envoy.out") as pid:
        yield Running(port, pid)


def litellm_binary() -> str | None:
    """Return LiteLLM's program, where ``make bench LITELLM=1`` has once installed it."""
    return shutil.which("litellm", path=str(ROOT / "build" / "litellm" / "bin"))


@contextlib.contextmanager
def litellm(rig: Rig, upstream: int, *, core: str = GATE_CORE) -> Iterator[Running]:
    """Run LiteLLM's proxy with one worker, one model and one key, and nothing it would look up outside."""
    port = free_port()
    config, quiet = rig.folder / f"litellm-{port}.yaml", rig.folder / f"litellm-{port}.json"
    config.write_text(LITELLM.format(upstream=upstream))
    quiet.write_text(json.dumps(QUIET))
    command = [str(litellm_binary()), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--num_workers", "1", "--log_config", str(quiet), "--telemetry", "False"]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    with running(command, core=core, port=port, log=rig.folder / "litellm.out", env=env) as pid:
        yield Running(port, pid, ("authorization: Bearer sk-bench",))


@contextlib.contextmanager
def chatelaine(
    rig: Rig,
    upstream: int,
    *,
    durability: str,
    core: str = GATE_CORE,
    tls: tuple[Path, Path] | None = None,
) -> Iterator[Running]:
    """Run Chatelaine with everything on: key, grants, limits, budget, client context, journal."""
    port = free_port()
    config = rig.folder / f"chatelaine-{port}.yaml"
    config.write_text(
        CONFIG.format(
            port=port,
            admin=free_port(),
            durability=durability,
            folder=rig.folder,
            upstream=upstream,
            tls=f"{{certificate: {tls[0]}, key: {tls[1]}}}" if tls else "{enabled: false}",
        )
    )
    command = [*CHATELAINE, "up", "--config", str(config)]
    with running(command, core=core, port=port, log=rig.folder / "chatelaine.out") as pid:
        issued = subprocess.run(
            [
                *(*CHATELAINE, "keys", "--config", str(config), "issue", "--json"),
                *(
                    "--owner",
                    "bench",
                    "--app",
                    "bench",
                    "--contact",
                    "bench",
                    "--model",
                    "gpt-4o-mini",
                    "--operation",
                    "chat",
                ),
                *("--network", "127.0.0.0/8", "--requests-per-minute", "1000000000"),
                *("--tokens-per-minute", "1000000000000", "--parallel", "100000"),
                *("--spend-per-day", "1000000", "--spend-per-month", "10000000"),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        token = json.loads(issued.stdout)["token"]
        yield Running(port, pid, (f"authorization: Bearer {token}",))


def missing(name: str, hint: str) -> None:
    """Say that a rival is not installed and therefore not measured."""
    say(f"  {name} is not installed here: its rows are left out; {hint}")
