"""Settings: every kind of value that cannot be meant is refused, at its place and with its fix."""

from pathlib import Path

import pytest

from chatelaine.app.settings import load
from chatelaine.model.error import Fault, SettingsError


def faults(folder: Path, text: str | bytes) -> list[Fault]:
    file = folder / "chatelaine.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as caught:
        load(file, {}, {}, frozenset({"openai"}))
    return [
        Fault(fault.where.removeprefix(f"{file}:"), fault.message, fault.hint)
        for fault in caught.value.faults
    ]


ONE_FAULT = [
    # Unknown, twice, of the wrong shape
    ("gaet: {}", "1:1", "gaet is not a setting", "did you mean gate?"),
    (
        "gate: {tls: {certifcate: x}}",
        "1:14",
        "gate.tls.certifcate is not a setting",
        "did you mean certificate?",
    ),
    ("wholly: {}", "1:1", "wholly is not a setting", "known here: gate, admin"),
    (
        "gate: {port: 1,\n port: 2}",
        "2:2",
        "gate.port: it stands here a second time; first in line 1",
        "keep one",
    ),
    ("gaet: 1\ngaet: 2", "1:1", "gaet is not a setting", "did you mean"),
    ("gate: 5", "1:7", "gate: names and values belong here", "it knows host, port"),
    ("gate: [1]", "1:7", "gate: names and values belong here", "it knows"),
    ("- gate", "1:1", "settings are names and values", "config init"),
    ("just text", "1:1", "settings are names and values", "config init"),
    ("? [a]\n: 1", "1:3", " is not a setting", "known here"),
    ("1: 2", "1:1", "1 is not a setting", "known here"),
    ("<<: {gate: 1}", "1:1", "<< is not a setting", "known here"),
    ("gate: {host: [a]}", "1:14", "gate.host: one value belongs here", ""),
    (
        "gate: {trusted_proxies: 10.0.0.0/8}",
        "1:25",
        "gate.trusted_proxies: a list belongs here",
        "behind a dash",
    ),
    ("gate: {port: }", "1:13", "gate.port: it has no value", "take the line out"),
    ("upstreams: [{}]", None, "upstreams[0].name: it is missing", "no default"),
    # Kinds
    ("gate: {port: https}", "1:14", "'https' is not a port", "1 to 65535"),
    ("gate: {port: 0}", "1:14", "'0' is not a port", "1 to 65535"),
    ("gate: {port: 65536}", "1:14", "'65536' is not a port", ""),
    ("gate: {port: 0443}", "1:14", "'0443' is not a port", ""),
    ("gate: {port: 8443.0}", "1:14", "'8443.0' is not a port", ""),
    ("gate: {workers: -1}", "1:17", "'-1' is too small", "at least 0"),
    ("gate: {workers: 1_0}", "1:17", "'1_0' is not a whole number", ""),
    ("gate: {workers: 0x10}", "1:17", "'0x10' is not a whole number", ""),
    ("gate: {workers: " + "9" * 5000 + "}", "1:17", "is too large", ""),
    ("gate: {connections: 0}", "1:21", "'0' is too small", "at least 1"),
    ("gate: {connections: ٣}", "1:21", "is not a whole number", ""),
    ("gate: {plain_anywhere: 'true'}", "1:24", "'true' is a text", "without quotes"),
    ("gate: {plain_anywhere: 1}", "1:24", "'1' is neither true nor false", ""),
    ("gate: {unknown_routes: deny}", "1:24", "'deny' is not one of the choices", "refuse, allow"),
    ("gate: {sizes: {head: 64KB}}", "1:22", "'64KB' is not a size", "64KiB"),
    ("gate: {sizes: {head: 0}}", "1:22", "'0' is out of range", ""),
    ("gate: {sizes: {head: -1KiB}}", "1:22", "is not a size", ""),
    ("gate: {sizes: {head: 9007199254740992GiB}}", "1:22", "is out of range", ""),
    ("gate: {timeouts: {head: 15}}", "1:25", "'15' is not a duration", "15s"),
    ("gate: {timeouts: {head: 15 s}}", "1:25", "'15 s' is not a duration", ""),
    ("gate: {timeouts: {head: -15s}}", "1:25", "is not a duration", ""),
    ("gate: {timeouts: {head: 0s}}", "1:25", "'0s' is no time at all", ""),
    ("gate: {timeouts: {head: 99999999w}}", "1:25", "is too long", ""),
    ("gate: {host: 'https://x'}", "1:14", "is not a host", "without scheme"),
    ("gate: {host: 'x:80'}", "1:14", "is not a host", ""),
    ("gate: {host: 300.1.1.1}", "1:14", "is not a host", ""),
    ("gate: {host: ''}", "1:14", "is not a host", ""),
    (
        "gate: {trusted_proxies: [10.0.0.0/33]}",
        "1:26",
        "gate.trusted_proxies[0]: '10.0.0.0/33' is not a CIDR",
        "",
    ),
    ("storage: {directory: ''}", "1:22", "is not a path", ""),
    ('storage: {directory: "a\\0b"}', "1:22", "is not a path", ""),
    ("storage: {directory: '~nobody-of-this-name/x'}", "1:22", "home of a user who has none", ""),
    # Secrets
    ("keys: {kek: hunter2}", "1:13", "a secret does not stand in settings", "env:NAME, file:PATH"),
    ("keys: {kek: ''}", "1:13", "a secret does not stand in settings", "env:NAME"),
    ("keys: {kek: 'env:'}", "1:13", "a secret does not stand in settings", ""),
    ("keys: {kek: 'env:A B'}", "1:13", "a secret does not stand in settings", ""),
    ("keys: {kek: '${KEK}'}", "1:13", "a secret is named, not put in", "env:NAME"),
    ("keys: {kek: 'command: '}", "1:13", "a secret does not stand in settings", ""),
    ("storage: {directory: sk-abcDEF123456}", "1:22", "looks like a credential", "name where one is"),
    # Files that are no settings
    ("gate: {a: b", "1:12", "expected ',' or '}'", "close what opens in line 1"),
    ("gate:\n\t- x", "2:1", "found character", "YAML"),
    ("gate: 'a", None, "found unexpected end", "close what opens in line 1"),
    ("a: 1\n---\nb: 2", "2:1", "but found another document", "YAML"),
    ("gate: &x {port: 1}", "1:7", "anchors and aliases are not read", "write the value out"),
    ("gate: *x", "1:7", "anchors and aliases are not read", ""),
    ("gate: !!python/object:os.system {}", "1:7", "tags are not read", ""),
    ("gate: !!str x", "1:7", "tags are not read", ""),
    ("%TAG ! tag:x:\n---\n!y {}", "3:1", "tags are not read", ""),
    ("a: " + "[" * 60_000, "1:20", "nested too deeply", "right file"),
    ("a: " * 60_000, None, "", "YAML"),
    (b"gate:\n  host: \xff\xfe", "2", "not UTF-8", "right file"),
    ("gate: 1".encode("utf-16"), "1", "not UTF-8", ""),
    (b"a\n\x00\x01\x02", "2", "the character U+0000", "right file"),
    (b"\x7fELF", "1", "the character U+007F", ""),
]


@pytest.mark.parametrize(("text", "where", "message", "hint"), ONE_FAULT, ids=range(len(ONE_FAULT)))
def test_a_fault_names_its_place_and_its_fix(
    tmp_path: Path, text: str | bytes, where: str | None, message: str, hint: str
) -> None:
    first, *_ = faults(tmp_path, text)
    assert where is None or first.where == where
    assert message in first.message
    assert hint in first.hint
    assert len(first.message) < 300


URLS = [
    ("ftp://x", "not an http:// or https:// URL"),
    ("api.openai.com", "not an http:// or https:// URL"),
    ("unix:/run/x", "not an http:// or https:// URL"),
    ("https://", "no host"),
    ("https://:80/x", "no host"),
    ("https://user@x", "looks like a credential"),
    ("https://@x", "no user and password"),
    ("https://x?a=b", "no query"),
    ("https://x?", "no query"),
    ("https://x#a", "no query"),
    ("https://x:99999", "is not a URL"),
    ("https://x:0", "not an http:// or https:// URL"),
    ("https://x y", "is not a URL"),
    ("https://x\\\\y", "is not a URL"),
    ("https://[::1", "is not a URL"),
    ("https://x\\ny", "is not a URL"),
    ("https://2130706433", "no host"),
    ("https://127.1", "no host"),
    ("https://10.0.0.1", "10.0.0.1 is an inner address"),
    ("https://169.254.169.254/latest", "169.254.169.254 is an inner address"),
    ("https://[::1]:80", "::1 is an inner address"),
    ("https://[fd00::1]", "fd00::1 is an inner address"),
    ("https://[::ffff:10.0.0.1]", "is an inner address"),
    ("https://localhost:8080", "localhost is an inner address"),
    ("http://8.8.8.8/v1", "shows the provider key to the internet"),
    ("http://model.example.org", "may show the provider key to the internet"),
]


@pytest.mark.parametrize(("url", "message"), URLS)
def test_an_upstreams_url_that_cannot_be_meant_is_refused(tmp_path: Path, url: str, message: str) -> None:
    (fault,) = faults(tmp_path, f"upstreams:\n  - name: a\n    provider: openai\n    url: '{url}'")
    assert fault.where == "4:10"
    assert fault.message.startswith("upstreams[0].url: ")
    assert message in fault.message
