"""TLS: the gate's certificate, its own where none is given, and contexts that verify upstreams."""

import os
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chatelaine.model.error import Fault, SettingsError

_LIFE: Final = timedelta(days=397)
"""As long as browsers accept (CA/Browser Forum ballot SC31)."""
_RENEW: Final = timedelta(days=14)


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context of the gate.

    Raises:
        SettingsError: naming the file that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for path in (certificate, key):
        if not path.is_file():
            raise _fault(path, "there is no such file", "check gate.tls.certificate and gate.tls.key")
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise _fault(
                key, "the key is not the certificate's", "give the pair that belongs together"
            ) from error
        raise _fault(certificate, f"not a certificate with its key in PEM ({error.reason})", _PEM) from error
    except (OSError, ValueError) as error:
        raise _fault(key, f"it cannot be read: {error}", _PEM) from error
    return context


_PEM: Final = "both files must be PEM, the key unencrypted"


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _fault(path: Path, message: str, hint: str) -> SettingsError:
    return SettingsError([Fault(str(path), message, hint)])


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that verifies an upstream; there is none that does not.

    Raises:
        SettingsError: the CA file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)
    except (OSError, ssl.SSLError) as error:
        raise _fault(ca_file or Path("CA certificates"), str(error), "check upstreams[].ca_file") from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def own_certificate(directory: Path, names: tuple[str, ...]) -> tuple[Path, Path]:
    """Return a self-signed certificate and its key, made on the first start and before it expires."""
    certificate, key = directory / "gate.crt", directory / "gate.key"
    if _still_good(certificate, names) and key.is_file():
        return certificate, key
    private = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Chatelaine gate")])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(private, hashes.SHA256())
    )
    _write(
        key,
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    _write(certificate, made.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _still_good(certificate: Path, names: tuple[str, ...]) -> bool:
    if not certificate.is_file():
        return False
    try:
        held = x509.load_pem_x509_certificate(certificate.read_bytes())
        listed = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    known = {str(name.value) for name in listed}
    return set(names) <= known and held.not_valid_after_utc > datetime.now(UTC) + _RENEW


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, data: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(file, data)
        os.fsync(file)
    finally:
        os.close(file)
    fresh.rename(path)


def fingerprint(certificate: Path) -> str:
    """Return the SHA-256 fingerprint of a certificate, as browsers show it."""
    held = x509.load_pem_x509_certificate(certificate.read_bytes())
    return held.fingerprint(hashes.SHA256()).hex(":").upper()


def expires_at(certificate: Path) -> datetime:
    """Return when a certificate expires."""
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
