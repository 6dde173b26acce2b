"""Reads secrets from where the settings say they are, and makes those that are made on first start.

A message names the source and never any of what was read.
"""

import base64
import binascii
import os
import re
import secrets
import shlex
import stat
import subprocess
from pathlib import Path

from chatelaine.model.error import SecretUnreadable
from chatelaine.model.settings import Secret
from chatelaine.ports import Entropy

SECRET_BYTES = 32
"""Bytes of a secret we make, and the fewest a pepper may have."""

_LARGEST = 64 * 1024
_COMMAND_SECONDS = 10
_READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def read_secret(secret: Secret) -> bytes:
    """Return a secret; line ends at its end are not part of it.

    Raises:
        SecretUnreadable: nothing is there, others may read it, or the command failed.
    """
    kind, _, place = secret.source.partition(":")
    reader = {"env": _from_environment, "file": _from_file, "command": _from_command}.get(kind)
    if reader is None or not place:
        raise SecretUnreadable(
            "a secret's source is not env:NAME, file:PATH or command:…",
            hint="secrets do not stand in the settings themselves; name where they are read from",
        )
    value = reader(place).rstrip(b"\r\n")
    if not value:
        raise SecretUnreadable(f"the secret from {_shown(secret)} is empty")
    return value


def _shown(secret: Secret) -> str:
    """Return a source for messages: a command's arguments may hold what nobody should see."""
    kind, _, place = secret.source.partition(":")
    return f"command:{place.split()[0]} …" if kind == "command" and place.split() else secret.source


def _from_environment(name: str) -> bytes:
    value = os.environb.get(os.fsencode(name))
    if value is None:
        raise SecretUnreadable(
            f"the environment variable {name} is not set", hint=f"export {name} before starting Chatelaine"
        )
    return value


def _from_file(place: str) -> bytes:
    path = Path(place)
    try:
        # Without O_NONBLOCK a named pipe put there would hold up the start for ever.
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SecretUnreadable(
            f"the secret file {path} cannot be opened: {error.strerror}",
            hint="check the path and that this user may read it",
        ) from error
    try:
        _check_private(path, os.fstat(opened))
        with os.fdopen(opened, "rb", closefd=False) as file:
            value = file.read(_LARGEST + 1)
    finally:
        os.close(opened)
    if len(value) > _LARGEST:
        raise SecretUnreadable(f"the secret file {path} is larger than {_LARGEST} bytes")
    return value


def _check_private(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise SecretUnreadable(f"the secret {path} is not a file")
    if found.st_mode & _READABLE_BY_OTHERS:
        raise SecretUnreadable(
            f"the secret file {path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o})",
            hint=f"chmod 600 {shlex.quote(str(path))}",
        )


def _from_command(line: str) -> bytes:
    try:
        arguments = shlex.split(line)
    except ValueError as error:
        raise SecretUnreadable(
            f"the command of a secret cannot be split into words: {error}", hint="check its quotes"
        ) from error
    if not arguments:
        raise SecretUnreadable("the command of a secret is empty")
    return _output(arguments)


def _output(arguments: list[str]) -> bytes:
    program = arguments[0]
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own settings name the program; no shell
            arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=_COMMAND_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        # Unchained: the error carries what the command has put out.
        raise SecretUnreadable(
            f"the command {program} gave no secret within {_COMMAND_SECONDS} s",
            hint="run it by hand; it may be waiting for a login",
        ) from None
    except OSError as error:
        raise SecretUnreadable(
            f"the command {program} cannot be run: {error.strerror}", hint="name it with its full path"
        ) from error
    if done.returncode != 0:
        raise SecretUnreadable(
            f"the command {program} ended with {done.returncode}", hint="run it by hand to see why"
        )
    if len(done.stdout) > _LARGEST:
        raise SecretUnreadable(f"the command {program} put out more than {_LARGEST} bytes")
    return done.stdout


def as_kek(value: bytes) -> bytes:
    """Return the 32 bytes of a key-encryption key given raw, in hexadecimal or in base64.

    Raises:
        SecretUnreadable: it is none of these.
    """
    if len(value) == SECRET_BYTES:
        return value
    text = value.strip()
    if re.fullmatch(rb"[0-9A-Fa-f]{64}", text):
        return binascii.unhexlify(text)
    try:
        decoded = base64.b64decode(text.translate(bytes.maketrans(b"-_", b"+/")), validate=True)
    except binascii.Error:
        decoded = b""
    if len(decoded) != SECRET_BYTES:
        raise SecretUnreadable(
            f"the key-encryption key is not {SECRET_BYTES} bytes, raw, in hexadecimal or in base64",
            hint=f"make one with: openssl rand -hex {SECRET_BYTES}",
        )
    return decoded


def as_pepper(value: bytes) -> bytes:
    """Return a pepper that is long enough.

    Raises:
        SecretUnreadable: it has fewer than 32 bytes.
    """
    if len(value) < SECRET_BYTES:
        raise SecretUnreadable(
            f"a pepper of {len(value)} bytes is too short: it takes {SECRET_BYTES}",
            hint=f"make one with: openssl rand -hex {SECRET_BYTES}; issued keys need the old one beside it",
        )
    return value


def first_secret(path: Path, entropy: Entropy) -> bytes:
    """Return the 32 random bytes in a file, making the file (mode 0600) where there is none.

    Of several processes that start at once, all return what the first one wrote.

    Raises:
        SecretUnreadable: it cannot be made, others may read it, or it is not what we wrote.
    """
    if not path.exists():
        _write_once(path, _draw(entropy))
    value = _from_file(str(path))
    if len(value) != SECRET_BYTES:
        raise SecretUnreadable(
            f"the secret file {path} has {len(value)} bytes, not {SECRET_BYTES}",
            hint="restore it from a copy; without it no issued key works and no provider key opens",
        )
    return value


def _draw(entropy: Entropy) -> bytes:
    """Draw bytes that do not end like a line, so that ``file:`` reads the same 32 bytes back."""
    while True:
        value = entropy.draw(SECRET_BYTES)
        if not value.endswith((b"\r", b"\n")):
            return value


def _write_once(path: Path, value: bytes) -> None:
    """Put a whole file in place, unless one is there: a reader never sees half of it."""
    made = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        opened = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(opened, "wb") as file:
                file.write(value)
                file.flush()
                os.fsync(file.fileno())
            os.link(made, path)
            _sync_directory(path.parent)
        finally:
            made.unlink()
    except FileExistsError:
        return
    except OSError as error:
        raise SecretUnreadable(
            f"the secret file {path} cannot be made: {error.strerror}",
            hint=f"{path.parent} must be a directory that this user can write",
        ) from error


def _sync_directory(directory: Path) -> None:
    """Make the new name durable: a pepper lost in a power cut would void every key issued since."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
