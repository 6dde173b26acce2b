"""The settings of receivers: what each kind needs, what means nothing to it, and every fault at its place."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from chatelaine.app.notices import receiver, subscriptions
from chatelaine.app.settings import load
from chatelaine.app.settings_files import read_to_serve
from chatelaine.app.settings_notify import port_of
from chatelaine.app.settings_schema import show
from chatelaine.model.detection import Severity
from chatelaine.model.error import SecretUnreadable, SettingsError
from chatelaine.model.notice import Origin, ReceiverKind
from chatelaine.model.settings import Carriage, LeastSeverity, NotifySettings, Secret, Settings
from chatelaine.model.words import OwnerId, ReceiverName

PROVIDERS = frozenset({"openai"})
GOOD = """
notify:
  - {name: soc, kind: webhook, url: "https://soc.example", secret: "env:SOC", former_secrets: ["env:OLD"]}
  - {name: chat, kind: slack, secret: "file:/run/slack", min_severity: medium, owners: [acme, Other Ltd]}
  - {name: pager, kind: pagerduty, secret: "env:PAGER", min_severity: critical}
  - name: mail
    kind: email
    host: mail.example.org
    user: chatelaine
    secret: env:MAIL
    sender: chatelaine@example.org
    recipients: [security@example.org, "oncall+ai@example.org"]
  - {name: log, kind: syslog, host: 10.0.0.9, format: cef, ca_file: /etc/ca.pem, patience: 3s}
  - {name: old-log, kind: syslog, host: 10.0.0.9, carriage: udp, plain: true}
  - {name: splunk, kind: splunk, url: "https://splunk:8088", secret: "command:get token", index: sec}
  - {name: elastic, kind: elastic, url: "http://localhost:9200", secret: "env:ELASTIC"}
"""


def read(folder: Path, text: str) -> Settings:
    path = folder / "chatelaine.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path, {}, {}, PROVIDERS)


def test_receivers_of_every_kind_are_read(tmp_path: Path) -> None:
    found = {one.name: one for one in read(tmp_path, GOOD).notify}
    assert {one.kind for one in found.values()} == set(ReceiverKind)
    assert found[ReceiverName("soc")].former_secrets == (Secret("env:OLD"),)
    assert found[ReceiverName("chat")].owners == ("acme", "Other Ltd")
    assert found[ReceiverName("pager")].min_severity is LeastSeverity.CRITICAL
    assert found[ReceiverName("log")].patience == timedelta(seconds=3)
    ports = {name: port_of(found[ReceiverName(name)]) for name in ("mail", "log", "old-log")}
    assert ports == {"mail": 587, "log": 6514, "old-log": 514}
    assert Settings().notify == ()


def test_receivers_that_are_shown_give_the_same_receivers(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    shown = show(replace(found, notify=found.notify[:6]))
    assert read(tmp_path, shown).notify == found.notify[:6]
    assert "get token" not in show(found)


def test_a_receiver_is_set_by_variables_too(tmp_path: Path) -> None:
    del tmp_path
    around = {
        "CHATELAINE__NOTIFY__0__NAME": "chat",
        "CHATELAINE__NOTIFY__0__KIND": "slack",
        "CHATELAINE__NOTIFY__0__SECRET": "env:SLACK",
    }
    (found,) = load(None, around, {}, PROVIDERS).notify
    assert (found.name, found.secret) == ("chat", Secret("env:SLACK"))


@pytest.mark.parametrize(
    ("text", "where", "fix"),
    [
        ("kind: webhook", "notify[0].url: a receiver of kind webhook needs it", "url: https://"),
        ("kind: webhook", "notify[0].secret: a receiver of kind webhook needs it", "env:NAME"),
        ("kind: email", "notify[0].recipients: a receiver of kind email needs it", "recipients: ["),
        ("kind: slack, secret: 'env:A', url: 'https://x'", "notify[0].url: it means nothing", "take it out"),
        ("kind: slack, secret: 'env:A', port: 5", "notify[0].port: it means nothing", "take it out"),
        ("kind: syslog, host: logs, secret: 'env:A'", "notify[0].secret: it means nothing", "take it out"),
        ("kind: syslog, host: logs, former_secrets: ['env:A']", "former_secrets: it means", "take it out"),
        ("kind: syslog, host: logs, carriage: udp", "notify[0].carriage: notices would cross", "plain: true"),
        ("kind: syslog, host: logs, carriage: starttls", "carriage: syslog does not travel so", "tls, tcp"),
        ("kind: email, host: m, sender: a@x, recipients: [b@x], carriage: udp", "email does not", "starttls"),
        ("kind: email, host: m, sender: 'A <a@x>', recipients: [b@x]", "sender: it is no mail", "bare"),
        (
            "kind: email, host: m, sender: a@x, recipients: [b@x, é@x]",
            "recipients[1]: it is no mail",
            "ASCII",
        ),
        (
            "kind: email, host: m, sender: a@x, recipients: [b@x], user: u",
            "secret: it is missing",
            "together",
        ),
        ("kind: splunk, url: 'http://s:8088', secret: 'env:A'", "notify[0].url: notices would", "use TLS"),
        (
            "kind: splunk, url: 'https://169.254.169.254', secret: 'env:A'",
            "url: nothing is ever sent",
            "other",
        ),
        ("kind: syslog, host: '::ffff:169.254.1.1'", "notify[0].host: nothing is ever sent", "another host"),
        ("kind: elastic, url: 'https://e', secret: 'env:A', index: 'A B'", "index: it is no name", "lower"),
        ("kind: teams", "notify[0].kind: 'teams' is not one of the choices", "webhook"),
        ("kind: slack, secret: hunter2", "notify[0].secret: a secret does not stand", "env:NAME"),
        ("kind: slack, secret: 'env:A', min_severity: urgent", "min_severity: 'urgent' is not", "critical"),
    ],
)
def test_a_contradiction_is_told_with_its_place_and_its_fix(
    tmp_path: Path, text: str, where: str, fix: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, f"notify:\n  - {{name: a, {text}}}\n")
    found = [fault for fault in caught.value.faults if where in fault.message]
    assert found, caught.value
    assert fix in found[0].hint
    assert "chatelaine.yaml:2" in found[0].where
    assert "hunter2" not in str(caught.value)


def test_names_differ_and_all_faults_of_all_receivers_are_told_at_once(tmp_path: Path) -> None:
    text = "notify:\n- {name: a, kind: slack}\n- {name: a, kind: syslog}\n- {kind: email}\n"
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    told = [fault.message.partition(":")[0] for fault in caught.value.faults]
    assert {"notify[0].secret", "notify[1].name", "notify[1].host", "notify[2].name", "notify[2].host"} <= {
        *told
    }


def settings(**fields: object) -> NotifySettings:
    given: dict[str, object] = {"name": "a", "kind": ReceiverKind.WEBHOOK, "url": "https://x", **fields}
    return NotifySettings(**given)  # type: ignore[arg-type]  # each test gives what it needs


def test_what_a_receiver_wants_to_hear_of_comes_from_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK", "https://hooks.example/services/x")
    one = settings(
        kind=ReceiverKind.SLACK,
        secret=Secret("env:SLACK"),
        min_severity=LeastSeverity.HIGH,
        owners=("acme",),
    )
    (found,) = subscriptions((one,)).values()
    assert (found.least, found.owners) == (Severity.HIGH, frozenset({OwnerId("acme")}))


def test_every_severity_of_the_settings_is_one_of_detections() -> None:
    assert [one.name for one in LeastSeverity] == [one.name for one in Severity]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ReceiverKind.WEBHOOK, "no-prefix"),
        (ReceiverKind.SLACK, "not a url"),
        (ReceiverKind.SLACK, "http://hooks.example/x"),
        (ReceiverKind.SLACK, "https://hooks.example:99999/x"),
        (ReceiverKind.PAGERDUTY, "two\nlines"),
        (ReceiverKind.SPLUNK, "é"),
    ],
)
def test_a_secret_that_is_none_of_its_kind_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, kind: ReceiverKind, value: str
) -> None:
    monkeypatch.setenv("SECRET", value)
    with pytest.raises(SecretUnreadable) as caught:
        receiver(settings(kind=kind, secret=Secret("env:SECRET")), Origin("h", "1"))
    assert value not in str(caught.value)


def test_secrets_of_receivers_are_looked_at_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAD", "no signing secret")
    monkeypatch.delenv("GONE", raising=False)
    path = tmp_path / "chatelaine.yaml"
    path.write_text(
        "notify:\n"
        "- {name: a, kind: webhook, url: 'https://x', secret: 'env:BAD'}\n"
        "- {name: b, kind: slack, secret: 'env:GONE', ca_file: nowhere.pem}\n"
    )
    with pytest.raises(SettingsError) as caught:
        read_to_serve(str(path), ())
    told = str(caught.value)
    for said in ("chatelaine.yaml:2:", "notify[0].secret", "chatelaine.yaml:3:", "GONE", "notify[1].ca_file"):
        assert said in told


def test_mail_and_syslog_travel_encrypted_where_nothing_is_said() -> None:
    for kind, ways in ((ReceiverKind.EMAIL, 587), (ReceiverKind.SYSLOG, 6514)):
        assert port_of(settings(kind=kind)) == ways
    assert port_of(settings(kind=ReceiverKind.EMAIL, carriage=Carriage.TLS)) == 465
