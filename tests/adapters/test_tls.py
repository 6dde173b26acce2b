import socket
import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chatelaine.adapters.tls import (
    certificate_warnings,
    client_context,
    expires_at,
    fingerprint,
    own_certificate,
    renew_certificate,
    server_context,
)
from chatelaine.model.error import SettingsError

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMES = ("localhost", "gate.example", "127.0.0.1", "::1")


def write_key(path: Path, *, password: bytes | None = None) -> None:
    wrapped = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    key = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, wrapped)
    )


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> tuple[str | None, str | None]:
    """Complete a handshake over a socket pair; return TLS version and ALPN."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(1) as pool:
        ours.settimeout(5)
        theirs.settimeout(5)
        accepted = pool.submit(server.wrap_socket, ours, server_side=True)
        try:
            with client.wrap_socket(theirs, server_hostname=name) as tls:
                return tls.version(), tls.selected_alpn_protocol()
        finally:
            theirs.close()
            with suppress(OSError):
                accepted.result().close()


def test_the_own_certificate_is_made_once_and_reused(tmp_path: Path) -> None:
    first = own_certificate(tmp_path / "new", NAMES)
    before = [path.read_bytes() for path in first]
    assert own_certificate(tmp_path / "new", NAMES) == first
    assert [path.read_bytes() for path in first] == before


def test_the_key_is_readable_by_its_owner_alone_and_nothing_else_is_left(tmp_path: Path) -> None:
    certificate, key = own_certificate(tmp_path, NAMES)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(certificate.stat().st_mode) == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gate.crt", "gate.key", "gate.lock"]


def test_a_lax_file_left_by_a_crash_does_not_make_the_key_readable(tmp_path: Path) -> None:
    (tmp_path / "gate.key.new").write_text("half a key")
    (tmp_path / "gate.key.new").chmod(0o666)
    _, key = own_certificate(tmp_path, NAMES)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_own_certificate_lives_397_days_and_signs_for_nobody_else(tmp_path: Path) -> None:
    certificate, _ = renew_certificate(tmp_path, NAMES, now=NOW)
    held = x509.load_pem_x509_certificate(certificate.read_bytes())
    assert held.not_valid_after_utc - held.not_valid_before_utc == timedelta(days=397)
    assert held.not_valid_before_utc <= NOW
    assert not held.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert isinstance(held.public_key(), ec.EllipticCurvePublicKey)


@pytest.mark.parametrize("days", [383, 384, 396, 500, -1])
def test_it_is_made_anew_near_its_end_and_when_the_clock_was_wrong(tmp_path: Path, days: int) -> None:
    certificate, _ = renew_certificate(tmp_path, NAMES, now=NOW)
    before = fingerprint(certificate)
    renew_certificate(tmp_path, NAMES, now=NOW + timedelta(days=days))
    assert fingerprint(certificate) != before


@pytest.mark.parametrize("days", [0, 1, 382])
def test_it_is_kept_while_it_is_good(tmp_path: Path, days: int) -> None:
    certificate, _ = renew_certificate(tmp_path, NAMES, now=NOW)
    before = fingerprint(certificate)
    renew_certificate(tmp_path, NAMES[:2], now=NOW + timedelta(days=days))
    assert fingerprint(certificate) == before


def test_it_is_made_anew_for_a_name_it_lacks(tmp_path: Path) -> None:
    certificate, key = own_certificate(tmp_path, ("localhost",))
    own_certificate(tmp_path, ("localhost", "10.1.2.3"))
    client = client_context(certificate)
    assert shake_hands(server_context(certificate, key), client, "10.1.2.3")[0] == "TLSv1.3"


@pytest.mark.parametrize("file", ["gate.crt", "gate.key"])
@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "another"])
def test_a_damaged_or_unmatched_pair_is_made_anew(tmp_path: Path, file: str, damage: str) -> None:
    certificate, key = own_certificate(tmp_path, NAMES)
    path = tmp_path / file
    if damage == "missing":
        path.unlink()
    elif damage == "another":
        own_certificate(tmp_path / "other", NAMES)
        path.write_bytes((tmp_path / "other" / file).read_bytes())
    else:
        path.write_bytes(b"" if damage == "empty" else b"\xff garbage")
    own_certificate(tmp_path, NAMES)
    assert server_context(certificate, key)


def test_processes_that_start_at_once_get_the_same_pair(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        pairs = list(pool.map(lambda _: own_certificate(tmp_path, NAMES), range(8)))
        prints = {fingerprint(certificate) for certificate, _ in pairs}
    assert len(prints) == 1
    assert server_context(*pairs[0])


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"storage\.directory"):
        own_certificate(tmp_path / "file", NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_clients_that_trust_the_certificate_reach_every_name(tmp_path: Path, name: str) -> None:
    certificate, key = own_certificate(tmp_path, NAMES)
    client = client_context(certificate)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert shake_hands(server_context(certificate, key), client, name) == ("TLSv1.3", "http/1.1")


def test_a_client_that_does_not_trust_the_certificate_refuses_it(tmp_path: Path) -> None:
    server = server_context(*own_certificate(tmp_path, NAMES))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server, client_context(None), "localhost")


def test_a_client_refuses_another_name(tmp_path: Path) -> None:
    certificate, key = own_certificate(tmp_path, NAMES)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server_context(certificate, key), client_context(certificate), "other.example")


def test_tls_1_1_is_not_spoken(tmp_path: Path) -> None:
    certificate, key = own_certificate(tmp_path, NAMES)
    assert server_context(certificate, key).minimum_version == ssl.TLSVersion.TLSv1_2
    assert client_context(None).minimum_version >= ssl.TLSVersion.TLSv1_2
    assert client_context(certificate).verify_mode == ssl.CERT_REQUIRED


def test_two_missing_files_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        server_context(tmp_path / "a.crt", tmp_path / "a.key")
    assert [fault.where for fault in caught.value.faults] == [
        str(tmp_path / "a.crt"),
        str(tmp_path / "a.key"),
    ]
    assert all(fault.hint for fault in caught.value.faults)


def test_swapped_files_are_told_as_what_they_are(tmp_path: Path) -> None:
    certificate, key = own_certificate(tmp_path, NAMES)
    with pytest.raises(SettingsError) as caught:
        server_context(key, certificate)
    assert "no PEM certificate" in str(caught.value)
    assert "no PEM private key" in str(caught.value)


def test_a_key_of_another_certificate_is_told(tmp_path: Path) -> None:
    certificate, _ = own_certificate(tmp_path, NAMES)
    write_key(tmp_path / "other.key")
    with pytest.raises(SettingsError, match=r"does not belong to .*gate\.crt"):
        server_context(certificate, tmp_path / "other.key")


def test_an_encrypted_key_is_told_with_the_way_out(tmp_path: Path) -> None:
    certificate, _ = own_certificate(tmp_path, NAMES)
    write_key(tmp_path / "locked.key", password=b"secret")
    with pytest.raises(SettingsError, match="encrypted") as caught:
        server_context(certificate, tmp_path / "locked.key")
    assert "openssl pkey" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_pair_that_openssl_refuses_is_told(tmp_path: Path) -> None:
    small = rsa.generate_private_key(65537, 1024)  # noqa: S505 - meant to be refused
    name = x509.Name([])
    made = x509.CertificateBuilder(name, name, small.public_key(), 7, NOW, NOW + timedelta(days=1)).sign(
        small, hashes.SHA256()
    )
    (tmp_path / "small.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "small.key").write_bytes(
        small.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(SettingsError, match="TOO_SMALL"):
        server_context(tmp_path / "small.crt", tmp_path / "small.key")


@pytest.mark.parametrize("content", [None, b"", b"no certificates"])
def test_a_ca_file_that_cannot_be_used_is_told(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"ca\.pem") as caught:
        client_context(path)
    assert "ca_file" in str(caught.value)


@pytest.mark.parametrize(
    ("days", "told"), [(-2, "valid from"), (0, ""), (380, ""), (390, "expires at"), (400, "expired at")]
)
def test_dates_that_clients_mind_are_warned_of(tmp_path: Path, days: int, told: str) -> None:
    certificate, _ = renew_certificate(tmp_path, NAMES, now=NOW)
    warnings = certificate_warnings(certificate, now=NOW + timedelta(days=days))
    assert [told in fault.message for fault in warnings] == ([True] if told else [])


def test_the_fingerprint_is_what_openssl_shows(tmp_path: Path) -> None:
    certificate, _ = renew_certificate(tmp_path, NAMES, now=NOW)
    pem = certificate.read_text(encoding="ascii")
    shown = fingerprint(certificate)
    assert len(shown) == 95
    assert x509.load_der_x509_certificate(ssl.PEM_cert_to_DER_cert(pem)).not_valid_after_utc == expires_at(
        certificate
    )
