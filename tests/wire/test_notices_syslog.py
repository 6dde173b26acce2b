"""Receivers of syslog against a real rsyslog: datagrams, counted frames, TLS, both forms, hostile texts."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from notices import NOTICE, deliver

from chatelaine.adapters.tls import own_certificate
from chatelaine.core.notice.text import cleaned
from chatelaine.model.notice import PutOff, ReceiverKind, Reception, Taken
from chatelaine.model.settings import Carriage, SyslogFormat

PROGRAM = shutil.which("rsyslogd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
CONFIG = """
module(load="imudp")
module(load="imtcp")
input(type="imudp" address="127.0.0.1" port="{port}")
input(type="imtcp" address="127.0.0.1" port="{port}")
template(name="whole" type="list") {{ property(name="jsonmesg") constant(value="\\n") }}
global(workDirectory="{folder}")
*.* action(type="omfile" file="{folder}/log" template="whole" flushOnTXEnd="on")
"""


@dataclass
class Rsyslog:
    """A running rsyslog and what it has read."""

    port: int
    log: Path

    def messages(self, count: int) -> list[dict[str, Any]]:
        """Return what was read once there is so much of it."""
        until = time.monotonic() + 10
        while time.monotonic() < until:
            lines = self.log.read_text().splitlines() if self.log.exists() else []
            if len(lines) >= count:
                return [json.loads(line) for line in lines]
            time.sleep(0.02)
        pytest.fail(f"rsyslog has read {len(lines)} messages, not {count}")


def free_port() -> int:
    """Return a port that is free for both kinds of sockets."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        ):
            stream.bind(("127.0.0.1", 0))
            port = stream.getsockname()[1]
            try:
                datagram.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(port)


@pytest.fixture
def rsyslog(tmp_path: Path) -> Iterator[Rsyslog]:
    if PROGRAM is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs rsyslog: requirements/debian.txt")
        pytest.skip("no rsyslogd: apt-get install rsyslog")
    port, folder = free_port(), tmp_path / "rsyslog"
    folder.mkdir()
    (folder / "conf").write_text(CONFIG.format(port=port, folder=folder))
    # In the foreground, with a pid file of its own: nothing of the machine's own rsyslog is touched.
    command = [PROGRAM, "-n", "-f", str(folder / "conf"), "-i", str(folder / "pid")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        try:
            until = time.monotonic() + 10
            while not answers(port):
                assert running.poll() is None, running.stdout and running.stdout.read()
                assert time.monotonic() < until, "rsyslog does not listen"
                time.sleep(0.02)
            yield Rsyslog(port, folder / "log")
        finally:
            running.terminate()
            try:
                running.wait(10)
            except subprocess.TimeoutExpired:
                running.kill()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def send(port: int, **fields: Any) -> Reception:
    given = {"host": "127.0.0.1", "port": port, "carriage": Carriage.TCP, **fields}
    return deliver(ReceiverKind.SYSLOG, **given)


@pytest.mark.parametrize("carriage", [Carriage.TCP, Carriage.UDP])
def test_rsyslog_reads_what_was_sent_in_both_forms(rsyslog: Rsyslog, carriage: Carriage) -> None:
    assert send(rsyslog.port, carriage=carriage) == Taken()
    assert send(rsyslog.port, carriage=carriage, format=SyslogFormat.CEF) == Taken()
    for read in (found := rsyslog.messages(2)):
        assert read["hostname"] == "gate-1.example"
        assert read["programname"] == "chatelaine"
        assert (read["syslogfacility"], read["syslogseverity"]) == ("13", "3")
        assert read["timereported"].startswith("2024-07-03T09:46:40")
        assert read["msgid"] == "incident_opened"
    bodies = [read["msg"].strip() for read in found]
    (as_json,) = [body for body in bodies if body.startswith("{")]
    (as_cef,) = [
        body for body in bodies if body.startswith("CEF:0|Chatelaine|Chatelaine|1.2.3|incident.opened|")
    ]
    told = json.loads(as_json)
    assert told["data"]["title"] == NOTICE.title
    assert told["source"]["host"] == "gate-1.example"
    assert f"externalId={NOTICE.id}" in as_cef
    assert r"a\=b|c: \\ " in as_cef
    assert r"four seconds.\nThe owner" in as_cef


def test_a_hostile_text_stays_one_message(rsyslog: Rsyslog) -> None:
    text = "\n<0>1 2020-01-01T00:00:00Z forged app - - - second\n7 <0>1 x"
    notice = cleaned(replace(NOTICE, title=text, summary=text, facts=((text, text),)))
    for form in SyslogFormat:
        for carriage in (Carriage.TCP, Carriage.UDP):
            assert send(rsyslog.port, carriage=carriage, format=form, notice=notice) == Taken()
    found = rsyslog.messages(4)
    assert len(found) == 4
    assert {read["hostname"] for read in found} == {"gate-1.example"}


def test_a_frame_goes_over_tls_and_the_certificate_is_checked(tmp_path: Path) -> None:
    pair = own_certificate(tmp_path, ("127.0.0.1",))
    with tls_server(pair) as (port, seen):
        assert send(port, carriage=Carriage.TLS, ca_file=pair[0]) == Taken()
        how = send(port, carriage=Carriage.TLS)
        assert isinstance(how, PutOff)
        assert "certificate is not good" in how.fault
    (data,) = [data for data in seen if data]
    length, _, message = data.partition(b" ")
    assert int(length) == len(message)
    assert message.startswith(
        b"<107>1 2024-07-03T09:46:40.000000Z gate-1.example chatelaine - incident_opened - {"
    )


@contextmanager
def tls_server(pair: tuple[Path, Path]) -> Iterator[tuple[int, list[bytes]]]:
    """Take connections over TLS, and note what came on each."""
    seen: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def take() -> None:
            while True:
                try:
                    plain, _ = listening.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(plain, server_side=True) as line:
                        seen.append(b"".join(iter(lambda: line.recv(65536), b"")))
                except OSError:
                    plain.close()

        thread = threading.Thread(target=take)
        thread.start()
        try:
            yield listening.getsockname()[1], seen
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            listening.close()
            thread.join()


def test_nobody_there_is_put_off_on_a_stream() -> None:
    how = send(free_port())
    assert isinstance(how, PutOff)
    assert how.fault.startswith("127.0.0.1: ")


def test_a_server_that_takes_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        began = time.monotonic()
        how = send(silent.getsockname()[1], carriage=Carriage.TLS, patience=timedelta(seconds=0.4))
        assert isinstance(how, PutOff)
        assert time.monotonic() - began < 3


def test_no_message_goes_to_a_metadata_service() -> None:
    for carriage in (Carriage.UDP, Carriage.TCP):
        how = send(514, host="169.254.169.254", carriage=carriage)
        assert isinstance(how, PutOff)
        assert "where no notice is ever sent" in how.fault


def test_a_host_that_nobody_knows_is_put_off() -> None:
    how = send(514, host="no-such-host.invalid", carriage=Carriage.UDP)
    assert isinstance(how, PutOff)
