"""Settings: precedence, every kind of fault at its place, and nothing hostile gets through."""

import os
import re
import time
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chatelaine.app.settings import load
from chatelaine.app.settings_tree import FILE_BYTES_MAX
from chatelaine.model.error import Fault, SettingsError
from chatelaine.model.settings import Durability, Secret, Settings, UnknownRoute

PROVIDERS = frozenset({"openai", "azure", "anthropic"})
UPSTREAM = "name: a, provider: openai, url: 'https://api.example.org/v1'"


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / "chatelaine.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def read(folder: Path, text: str | bytes, **variables: str) -> Settings:
    return load(write(folder, text), variables, {}, PROVIDERS)


def faults(folder: Path, text: str | bytes, **variables: str) -> list[Fault]:
    with pytest.raises(SettingsError) as caught:
        read(folder, text, **variables)
    return [
        Fault(fault.where.removeprefix(f"{folder}/chatelaine.yaml:"), fault.message, fault.hint)
        for fault in caught.value.faults
    ]


def only(folder: Path, text: str | bytes, **variables: str) -> Fault:
    (found,) = faults(folder, text, **variables)
    return found


# What is read


def test_no_file_gives_the_defaults() -> None:
    assert load(None, {}, {}, PROVIDERS) == Settings()


@pytest.mark.parametrize(
    "text", ["", "\n# nothing\n", "---\n", "gate:\nupstreams:\nkeys: {peppers: }", "\ufeff"]
)
def test_an_empty_file_gives_the_defaults(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == Settings()


def test_every_kind_of_setting_is_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        gate:
          host: gate.example.org
          port: 9443
          workers: 2
          proxy_protocol: yes
          trusted_proxies: [10.0.0.0/8, "fd00::/8"]
          unknown_routes: allow
          sizes: {head: 16KiB, json_body: 1 MiB, upload: 4096}
          timeouts: {head: 500ms, body: 1h30m, drain: 0}
          tls: {certificate: /etc/tls/chain.pem, key: ~/key.pem}
        journal: {durability: flush}
        keys:
          kek: file:/run/secrets/kek
          peppers: [{id: p1, secret: env:PEPPER}]
        upstreams:
          - name: a
            provider: azure
            url: http://10.1.2.3:8080/v1
            allow_addresses: [10.1.2.0/24]
            credential: vault:azure
            models: ["gpt-*", llama]
        """,
    )
    assert found.gate.host == "gate.example.org"
    assert (found.gate.port, found.gate.workers, found.gate.proxy_protocol) == (9443, 2, True)
    assert found.gate.trusted_proxies == ("10.0.0.0/8", "fd00::/8")
    assert found.gate.unknown_routes is UnknownRoute.ALLOW
    assert (found.gate.sizes.head, found.gate.sizes.json_body) == (16 * 1024, 1024**2)
    assert found.gate.sizes.upload == 4096
    assert found.gate.timeouts.head == timedelta(milliseconds=500)
    assert found.gate.timeouts.body == timedelta(minutes=90)
    assert found.gate.timeouts.drain == timedelta()
    assert found.gate.timeouts.keep_alive == Settings().gate.timeouts.keep_alive
    assert found.gate.tls.key == Path.home() / "key.pem"
    assert found.journal.durability is Durability.FLUSH
    assert found.keys.peppers[0].secret == Secret("env:PEPPER")
    assert found.upstreams[0].models == ("gpt-*", "llama")
    assert found.upstreams[0].ca_file is None


# What outranks what


def test_a_flag_outranks_a_variable_which_outranks_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "gate: {port: 1001, workers: 1, connections: 5}")
    variables = {"CHATELAINE__GATE__PORT": "1002", "CHATELAINE__GATE__WORKERS": "2", "CHATELAINE_CONFIG": "x"}
    found = load(file, variables, {"gate.port": "1003"}, PROVIDERS).gate
    assert (found.port, found.workers, found.connections) == (1003, 2, 5)
    assert found.host == Settings().gate.host


def test_variables_reach_lists_and_their_items(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        f"upstreams:\n  - {{{UPSTREAM}}}",
        CHATELAINE__GATE__TRUSTED_PROXIES="10.0.0.0/8, ::1/128",
        CHATELAINE__UPSTREAMS__0__WEIGHT="7",
        CHATELAINE__UPSTREAMS__1__NAME="b",
        CHATELAINE__UPSTREAMS__1__PROVIDER="azure",
        CHATELAINE__UPSTREAMS__1__URL="https://b.example.org",
        CHATELAINE__KEYS__KEK="",
    )
    assert found.gate.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert [(upstream.name, upstream.weight) for upstream in found.upstreams] == [("a", 7), ("b", 1)]
    assert found.keys.kek is None


def test_a_fault_of_a_variable_or_a_flag_names_it() -> None:
    variables = {
        "CHATELAINE__GATE__PROT": "1",
        "CHATELAINE__ADMIN__PORT": "x",
        "CHATELAINE__UPSTREAMS__3__URL": "",
    }
    with pytest.raises(SettingsError) as caught:
        load(None, variables, {"gate.workers": "many", "gate.tls.names.x": "y"}, PROVIDERS)
    assert {fault.where for fault in caught.value.faults} == {
        *variables,
        "--set gate.workers",
        "--set gate.tls.names.x",
    }
    assert "did you mean port?" in str(caught.value)


def test_texts_may_name_variables(tmp_path: Path) -> None:
    text = "storage: {directory: '${HOME_DIR}/$${x}'}\nprices: {file: '${A}${B}.toml'}"
    found = read(tmp_path, text, HOME_DIR="/srv", A="a", B="b")
    assert found.storage.directory == Path("/srv/${x}")
    assert found.prices.file == Path("ab.toml")
    fault = only(tmp_path, "\nstorage: {directory: '${NOWHERE}/x'}")
    assert (fault.where, "'NOWHERE' is not set" in fault.message) == ("2:22", True)


# What is refused, and where


def test_all_faults_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    told = faults(
        tmp_path,
        "gate:\n  prot: 1\n  port: 99999\n  sizes: {head: big}\n  host: 0.0.0.0\n  tls: {enabled: false}\n"
        "upstreams:\n  - {name: a, provider: opnai, url: 'ftp://x'}\n  - {name: a}\n  - 5\n",
    )
    assert [fault.where for fault in told] == [
        "2:3",
        "3:9",
        "4:17",
        "5:9",
        "8:25",
        "8:37",
        "9:5",
        "9:5",
        "9:12",
        "10:5",
    ]
    assert all(fault.hint for fault in told)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://api.openai.com", ""),
        ("https://api.openai.com:8443/openai/v1", ""),
        ("http://127.0.0.1:11434/v1", "127.0.0.0/8"),
        ("http://[::1]:11434", "::1/128"),
        ("http://localhost:11434", "127.0.0.1/32"),
        ("http://ollama:11434", "172.16.0.0/12"),
        ("https://8.8.8.8", ""),
    ],
)
def test_an_upstreams_url_that_can_be_meant_is_taken(tmp_path: Path, url: str, allowed: str) -> None:
    found = read(
        tmp_path,
        f"upstreams: [{{name: a, provider: openai, url: '{url}', allow_addresses: ['{allowed}']}}]".replace(
            "['']", "[]"
        ),
    )
    assert found.upstreams[0].url == url


CONTRADICTIONS = [
    ("gate: {host: 0.0.0.0, tls: {enabled: false}}", "1:14", "plain HTTP on 0.0.0.0"),
    ("gate: {host: example.org, tls: {enabled: false}}", "1:14", "plain HTTP on example.org"),
    ("gate: {tls: {certificate: a.pem}}", "1:13", "the key is missing"),
    ("gate: {tls: {key: a.pem}}", "1:13", "the certificate is missing"),
    ("gate: {proxy_protocol: true}", "1:24", "no proxy is trusted"),
    ("gate: {port: 8444}", "1:1", "the gate listens on 8444 already"),
    ("gate: {port: 8444, host: 0.0.0.0}", "1:1", "the gate listens on 8444 already"),
    (f"upstreams:\n- {{{UPSTREAM}}}\n- {{{UPSTREAM}}}", "3:10", "upstreams[0] is named a too"),
    (
        "keys: {peppers: [{id: a, secret: env:A}, {id: a, secret: env:B}]}",
        "1:47",
        "keys.peppers[0] is named a too",
    ),
    ("upstreams: [{name: a, provider: opnai, url: 'https://x'}]", "1:33", "there is no provider opnai"),
]


@pytest.mark.parametrize(("text", "where", "message"), CONTRADICTIONS)
def test_choices_that_contradict_each_other_are_refused(
    tmp_path: Path, text: str, where: str, message: str
) -> None:
    fault = only(tmp_path, text)
    assert (fault.where, message in fault.message) == (where, True)
    assert fault.hint


@pytest.mark.parametrize(
    "text",
    [
        "gate: {host: '::1', tls: {enabled: false}}",
        "gate: {host: localhost, tls: {enabled: false}}",
        "gate: {host: 0.0.0.0, plain_anywhere: true, tls: {enabled: false}}",
        "gate: {port: 8444, host: 10.0.0.1}",
    ],
)
def test_what_only_looks_like_a_contradiction_is_taken(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) != Settings()


# Hostile files


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "chatelaine.yaml"
    for make, told in (
        (lambda: None, "No such file"),
        (file.mkdir, "not a file"),
        (lambda: (file.rmdir(), os.mkfifo(file)), "not a file"),
        (lambda: (file.unlink(), file.symlink_to(file)), "symbolic links"),
        (lambda: (file.unlink(), file.write_bytes(b"#" * (FILE_BYTES_MAX + 1))), "larger than"),
    ):
        make()
        with pytest.raises(SettingsError) as caught:
            load(file, {}, {}, PROVIDERS)
        assert caught.value.faults[0].where == str(file)
        assert told in str(caught.value)


def test_an_alias_bomb_costs_nothing(tmp_path: Path) -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    start = time.process_time()
    assert "anchors" in only(tmp_path, bomb).message
    assert time.process_time() - start < 1


def test_a_file_of_the_largest_size_is_read_in_seconds(tmp_path: Path) -> None:
    start = time.process_time()
    faults(tmp_path, "".join(f"setting{number}: {number}\n" for number in range(9_000)))
    assert time.process_time() - start < 10


SECRETS = [
    "sk-proj-abcDEF123456",
    "hunter2hunter2",
    "chln_live_Ab3dE6gH9_" + "aB3" * 16 + "x",
    "AKIAABCDEFGHIJKLMNOP",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "text",
    [
        "keys: {kek: '%s'}",
        "keys: {kek: ['%s']}",
        "upstreams: [{name: a, provider: openai, url: 'https://u:%s@x'}]",
        "upstreams: [{name: a, provider: openai, url: 'https://x', credential: '%s'}]",
        "keys: {kek: '%s",
        'keys: {kek: "%s\x07"}',
        "keys: {kek: *%s}",
    ],
)
def test_a_secret_written_inline_is_in_no_message(tmp_path: Path, secret: str, text: str) -> None:
    for fault in faults(tmp_path, text % secret):
        assert secret not in f"{fault.where}{fault.message}{fault.hint}"
        assert secret[8:] not in fault.message


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_file_gives_settings_or_faults(tmp_path: Path, content: str | bytes) -> None:
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    try:
        read(tmp_path, raw)
    except SettingsError as error:
        told = [(fault.where, fault.message) for fault in error.faults]
        pytest.fail("no fault") if not told else None


NAMES = st.sampled_from(
    ["gate", "port", "host", "upstreams", "name", "url", "keys", "kek", "tls", "sizes", "head", "x"]
)
TREES = st.recursive(
    st.sampled_from(["1", "null", "x", "'y'", "env:A", "10s", "true", "''", "[]", "1.5"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(NAMES, inner, max_size=4).map(
            lambda held: "{" + ", ".join(f"{name}: {value}" for name, value in held.items()) + "}"
        )
    ),
    max_leaves=12,
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(NAMES, TREES, max_size=4),
    st.dictionaries(
        st.lists(NAMES | st.just("0"), min_size=1, max_size=3).map(tuple), st.text(max_size=5), max_size=3
    ),
)
def test_any_tree_and_any_variables_give_settings_or_faults_with_places(
    tmp_path: Path, tree: dict[str, str], variables: dict[tuple[str, ...], str]
) -> None:
    file = write(tmp_path, "".join(f"{name}: {value}\n" for name, value in tree.items()))
    environment = {"CHATELAINE__" + "__".join(names).upper(): text for names, text in variables.items()}
    try:
        load(file, environment, {}, PROVIDERS)
    except SettingsError as error:
        for fault in error.faults:
            assert re.fullmatch(rf"{re.escape(str(file))}:\d+:\d+|CHATELAINE__\w+", fault.where), fault
