"""Processes die, are told to stop, are started twice: the service goes on, or says what is wrong."""

import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.wire


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def waited(true: Callable[[], object], *, within: float = 15.0) -> float:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < within, "it did not come back"
        time.sleep(0.005)
    return time.monotonic() - started


def test_a_killed_hub_comes_back_and_the_workers_go_on(service: Any) -> None:
    service.start()
    kid = service.issue()
    before = service.every_worker()
    hub = service.children()["hub"]
    kill(hub)
    assert service.ask_gate()["keys"] == {kid: "issued"}, "a worker goes on with its last tables"
    waited(lambda: service.children().get("hub", hub) != hub and service.get("/readyz")[0] == 200)
    after = service.every_worker()
    assert {one["pid"] for one in after.values()} == {one["pid"] for one in before.values()}
    assert service.read("keys", "suspend", kid)["reach"]["reached"] == 2
    assert all(one["keys"] == {kid: "suspended"} for one in service.every_worker().values())


def test_a_killed_worker_comes_back_with_its_number_and_its_tables(service: Any) -> None:
    service.start()
    kid = service.issue()

    def succeeded(number: int, pid: int) -> bool:
        return bool(service.every_worker()[number]["pid"] != pid)

    for number, told in service.every_worker().items():
        kill(told["pid"])
        waited(partial(succeeded, number, told["pid"]))
        assert service.every_worker()[number]["keys"] == {kid: "issued"}


def test_connections_that_queue_while_a_worker_restarts_are_answered(service: Any) -> None:
    service.workers = 1
    service.start()
    kill(service.ask_gate()["pid"])
    replies = [service.get("/", port=service.gate)[0] for _ in range(5)]
    assert replies == [200] * 5


def test_all_processes_come_back_when_all_are_killed_at_once(service: Any) -> None:
    service.start()
    before = set(service.children().values())
    for pid in before:
        kill(pid)
    waited(lambda: len(set(service.children().values()) - before) == 3)
    waited(lambda: service.get("/readyz")[0] == 200)


def test_children_end_when_the_supervisor_is_killed(service: Any) -> None:
    service.start()
    children = service.children()
    assert len(children) == 3
    kill(service.process.pid)
    service.process.wait()
    waited(lambda: not any(_alive(pid) for pid in children.values()), within=5)
    service.start()
    assert len(service.children()) == 3, "and the next start takes the same ports and files"


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_second_start_on_the_same_directory_is_refused_and_names_the_first(service: Any) -> None:
    service.start()
    done = service.run("up")
    assert done.returncode == 3
    assert f"pid {service.process.pid}" in done.stderr
    assert "storage.directory" in done.stderr
    assert service.get("/readyz")[0] == 200


@pytest.mark.parametrize("section", ["gate", "admin"])
def test_a_port_in_use_is_named_with_who_uses_it(service: Any, section: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        setattr(service, section, taken.getsockname()[1])
        service.write_settings()
        done = service.run("up")
    assert done.returncode == 3
    assert f"port {getattr(service, section)} on 127.0.0.1 is in use by" in done.stderr
    assert f"(pid {os.getpid()})" in done.stderr
    assert f"{section}.port" in done.stderr


def test_a_host_that_is_not_ours_is_named(service: Any) -> None:
    service.write_settings()
    done = service.run("up", "--set", "admin.host=192.0.2.1")
    assert done.returncode == 3
    assert "192.0.2.1" in done.stderr
    assert "admin" in done.stderr


def test_a_reload_with_a_fault_keeps_the_old_settings_and_prints_the_fault(service: Any) -> None:
    service.start()
    service.settings.write_text("gate:\n  prot: 1\n", encoding="utf-8")
    service.process.send_signal(signal.SIGHUP)
    waited(lambda: "chatelaine_config_reload_failures_total 1" in service.get("/metrics")[1])
    assert f"{service.settings}:2:3" in service.log()
    assert "did you mean port?" in service.log()
    assert all(one["reloads"] == 0 for one in service.every_worker().values())
    assert service.get("/readyz")[0] == 200


def test_a_reload_reaches_every_worker_and_names_what_changed(service: Any) -> None:
    service.start()
    service.write_settings("keys: {overlap: 1h}\n")
    text = service.settings.read_text(encoding="utf-8").replace("drain: 5s", "drain: 7s")
    service.settings.write_text(text, encoding="utf-8")
    service.process.send_signal(signal.SIGHUP)
    waited(lambda: all(one["reloads"] == 1 for one in service.every_worker().values()))
    assert "gate.timeouts.drain" in service.log()
    assert "keys.overlap" in service.log(), "and what takes effect at the next start only"
    service.process.send_signal(signal.SIGHUP)
    waited(lambda: 'chatelaine_config_reloads_total{result="ok"} 2' in service.get("/metrics")[1])
    waited(lambda: all(one["reloads"] == 2 for one in service.every_worker().values()))


def test_a_reload_that_holds_back_less_is_recorded_as_such(service: Any) -> None:
    service.start()
    service.write_settings("keys: {overlap: 48h}\n")
    service.process.send_signal(signal.SIGHUP)

    def weakened() -> list[str]:
        shown = service.run("events", "show", "--kind", "admin").stdout.splitlines()
        return [line for line in shown if "action=settings.weakened" in line]

    waited(weakened)
    assert weakened()[0].endswith("action=settings.weakened outcome=done detail=keys.overlap")


def test_a_stop_lets_what_is_under_way_end_and_takes_nothing_new(service: Any) -> None:
    service.start()
    replies: list[int] = []
    slow = threading.Thread(target=lambda: replies.append(service.get("/slow", port=service.gate)[0]))
    slow.start()
    time.sleep(0.3)
    service.process.send_signal(signal.SIGTERM)
    waited(lambda: service.get("/", port=service.gate)[0] == 0)
    assert service.get("/readyz")[0] == 503, "the hub outlives the workers and says that it drains"
    slow.join()
    assert replies == [200]
    assert service.process.wait(10) == 0


def test_a_drain_that_takes_too_long_is_cut_short(service: Any) -> None:
    service.drain = "100ms"
    service.start()
    slow = threading.Thread(target=lambda: service.get("/hang", port=service.gate))
    slow.start()
    time.sleep(0.3)
    assert service.stop() == 0
    slow.join()


def test_a_second_interrupt_does_not_wait_for_the_drain(service: Any) -> None:
    service.drain = "60s"
    service.start()
    slow = threading.Thread(target=lambda: service.get("/hang", port=service.gate))
    slow.start()
    time.sleep(0.3)
    service.process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    started = time.monotonic()
    assert service.stop(signal.SIGINT) == 0
    assert time.monotonic() - started < 5
    slow.join()


def test_a_process_that_cannot_live_is_given_up_with_its_last_words(service: Any) -> None:
    service.start()
    assert service.stop() == 0
    (service.storage / "keys.sqlite").write_bytes(b"no database at all" * 100)
    service.start(ready=False)
    assert service.process.wait(30) == 3
    last = service.log().rpartition("would not stay up")[2]
    assert "keys.sqlite" in last
    assert "doctor" in last


def test_what_the_first_start_makes_is_for_its_owner_alone(service: Any) -> None:
    service.start()
    found = [service.storage, *service.storage.rglob("*")]
    open_to_others = [
        path for path in found if stat.S_IMODE(path.lstat().st_mode) & 0o077 and path.name != "gate.crt"
    ]
    assert open_to_others == []
    assert stat.S_ISSOCK((service.storage / "hub.sock").stat().st_mode)


def test_no_secret_stands_in_arguments_or_environment_of_a_child(service: Any) -> None:
    service.start()
    service.read("keys", "provider", "put", "openai", given=b"sk-canary-0123456789\n")
    assert all(
        one["secrets"] == {"openai": "sk-canary-0123456789"} for one in service.every_worker().values()
    )
    for pid in service.children().values():
        shown = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        assert b"sk-canary" not in shown
        assert b"chln_" not in shown
    assert "sk-canary" not in service.log()


def test_a_first_use_makes_a_key_active_everywhere(service: Any) -> None:
    service.start()
    kid = service.issue()
    service.ask_gate(f"/use/{kid}")
    waited(lambda: all(one["keys"] == {kid: "active"} for one in service.every_worker().values()))
    assert service.read("keys", "show", kid)["keys"][0]["state"] == "active"


def test_a_key_whose_time_is_over_is_ended_everywhere(service: Any) -> None:
    service.start()
    asked = ("--owner", "a", "--app", "b", "--contact", "c", "--lifetime", "1s")
    kid = service.read("keys", "issue", *asked)["id"]
    waited(lambda: all(one["keys"] == {kid: "expired"} for one in service.every_worker().values()))


def test_what_workers_counted_is_not_lost_when_they_die(service: Any) -> None:
    service.workers = 1
    service.start()

    def counted() -> int:
        lines = service.get("/metrics")[1].splitlines()
        return sum(int(line.split()[-1]) for line in lines if line.startswith("chatelaine_requests_total"))

    for _ in range(7):
        service.ask_gate()
    waited(lambda: counted() == 7)
    kill(service.ask_gate()["pid"])
    service.ask_gate()
    waited(lambda: counted() >= 8)
    assert counted() <= 9


def test_a_command_waits_for_a_hub_that_is_just_coming_back(service: Any) -> None:
    service.start()
    kid = service.issue()
    kill(service.children()["hub"])
    told = service.read("keys", "suspend", kid)
    assert told["keys"][0]["state"] == "suspended"
    assert told["reach"]["workers"] == 2, "the hub did it, and not the command line behind its back"
