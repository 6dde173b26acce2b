"""TLS: the gate's certificate, its own where none is given, and contexts that verify upstreams."""

import fcntl
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chatelaine.model.error import Fault, SettingsError

_LIFE: Final = timedelta(days=397)
"""Within the 398 days that clients accept (CA/Browser Forum, Baseline Requirements §6.3.2)."""

_RENEW: Final = timedelta(days=14)
_PEM_HINT: Final = "both files must be PEM: the certificate with its chain, the key unencrypted"
_PAIR_HINT: Final = "check gate.tls.certificate and gate.tls.key"
_OPEN_HINT: Final = "write it unencrypted, readable by Chatelaine alone: openssl pkey -in KEY -out NEW"


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context of the gate: TLS 1.2 and newer, HTTP/1.1.

    It is a new one each time; whoever reloads puts it in the place of the old, whose connections
    go on.

    Raises:
        SettingsError: naming every file that cannot be used, and why.
    """
    faults = [*_certificate_faults(certificate), *_key_faults(key)]
    if faults:
        raise SettingsError(faults)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise _fault(key, f"the key does not belong to {certificate}", _PAIR_HINT) from error
        raise _fault(certificate, f"OpenSSL refuses the pair: {error.reason}", _PEM_HINT) from error
    return context


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that verifies an upstream; there is none that does not.

    Raises:
        SettingsError: the CA file cannot be used.
    """
    hint = "upstreams[].ca_file: a PEM file of the certificates to trust"
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)
    except ssl.SSLError as error:
        raise _fault(
            ca_file or Path("CA certificates"), f"no certificates in it: {error.reason}", hint
        ) from error
    except OSError as error:
        raise _fault(ca_file or Path("CA certificates"), error.strerror or str(error), hint) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def own_certificate(directory: Path, names: tuple[str, ...]) -> tuple[Path, Path]:
    """Return a self-signed certificate and its key, made on the first start and before it expires.

    Raises:
        SettingsError: the directory cannot be written.
    """
    return renew_certificate(directory, names, now=datetime.now(UTC))


def renew_certificate(directory: Path, names: tuple[str, ...], *, now: datetime) -> tuple[Path, Path]:
    """Return certificate and key; made anew where they are missing, damaged, near their end, or lack a name.

    Processes that call at once wait for the first: they all get the same pair. A crash between the
    two files leaves a pair that does not match, which is made anew.

    Raises:
        SettingsError: the directory cannot be written.
    """
    certificate, key = directory / "gate.crt", directory / "gate.key"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(directory / "gate.lock"):
            if not _still_good(certificate, key, names, now):
                _make(certificate, key, names, now)
    except OSError as error:
        raise _fault(
            Path(error.filename or directory),
            error.strerror or str(error),
            "storage.directory must be writable",
        ) from error
    return certificate, key


def certificate_warnings(certificate: Path, *, now: datetime) -> tuple[Fault, ...]:
    """Return what clients will hold against a certificate's dates; it can be shown all the same."""
    held = _load(certificate)
    starts, ends = held.not_valid_before_utc, held.not_valid_after_utc
    if now >= ends:
        return (
            Fault(str(certificate), f"the certificate expired at {ends:%Y-%m-%d %H:%M} UTC", _RENEW_HINT),
        )
    if now < starts:
        hint = "is this machine's clock right?"
        return (Fault(str(certificate), f"the certificate is valid from {starts:%Y-%m-%d %H:%M} UTC", hint),)
    if now >= ends - _RENEW:
        return (
            Fault(str(certificate), f"the certificate expires at {ends:%Y-%m-%d %H:%M} UTC", _RENEW_HINT),
        )
    return ()


_RENEW_HINT: Final = "put a new one in its place and reload (SIGHUP)"


def fingerprint(certificate: Path) -> str:
    """Return the SHA-256 fingerprint of a certificate, as browsers show it."""
    return _load(certificate).fingerprint(hashes.SHA256()).hex(":").upper()


def expires_at(certificate: Path) -> datetime:
    """Return when a certificate expires."""
    return _load(certificate).not_valid_after_utc


def _load(certificate: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.read_bytes())


def _fault(path: Path, message: str, hint: str) -> SettingsError:
    return SettingsError([Fault(str(path), message, hint)])


def _certificate_faults(path: Path) -> Iterator[Fault]:
    try:
        _load(path)
    except OSError as error:
        yield Fault(str(path), error.strerror or str(error), _PAIR_HINT)
    except ValueError:
        yield Fault(str(path), "there is no PEM certificate in it", _PEM_HINT)


def _key_faults(path: Path) -> Iterator[Fault]:
    try:
        serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        yield Fault(str(path), error.strerror or str(error), _PAIR_HINT)
    except TypeError:
        yield Fault(str(path), "the key is encrypted", _OPEN_HINT)
    except (ValueError, UnsupportedAlgorithm):
        yield Fault(str(path), "there is no PEM private key in it", _PEM_HINT)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _still_good(certificate: Path, key: Path, names: tuple[str, ...], now: datetime) -> bool:
    try:
        held = _load(certificate)
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        listed = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return False
    if private.public_key() != held.public_key():
        return False
    known = set(listed)
    in_time = held.not_valid_before_utc <= now < held.not_valid_after_utc - _RENEW
    return in_time and all(_name(name) in known for name in names)


def _make(certificate: Path, key: Path, names: tuple[str, ...], now: datetime) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made = _sign(private, names, now)
    _write(key, pem, mode=0o600)
    _write(certificate, made.public_bytes(serialization.Encoding.PEM), mode=0o644)


def _sign(private: ec.EllipticCurvePrivateKey, names: tuple[str, ...], now: datetime) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Chatelaine gate")])
    public = private.public_key()
    usage = dict.fromkeys(_USAGES, False) | {"digital_signature": True}
    # No CA: who trusts this certificate trusts it for these names, not its key for all names.
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now - timedelta(hours=1) + _LIFE)
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(private, hashes.SHA256())
    )


_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, data: bytes, *, mode: int) -> None:
    """Put a whole file in place: a crash leaves the old one or the new."""
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
