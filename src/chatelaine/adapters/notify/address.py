"""Where a receiver's name leads: looked up once, checked, and connected to as checked."""

import asyncio
import socket
import ssl
from collections.abc import Sequence
from ipaddress import ip_address

from chatelaine.core.exchange.reach import carried
from chatelaine.core.notice.http import is_forbidden
from chatelaine.model.error import AddressRefused


async def addresses(host: str, port: int, kind: socket.SocketKind) -> Sequence[str]:
    """Return the addresses of a host that notices may be sent to.

    Raises:
        AddressRefused: it has none but link-local, metadata or multicast ones.
        OSError: it has none at all.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=kind)
    return checked(host, [str(entry[4][0]) for entry in found])


def checked(host: str, found: Sequence[str]) -> Sequence[str]:
    """Return those addresses of a host that notices may be sent to.

    Raises:
        AddressRefused: there are none.
    """
    permitted = [
        address for address in found if not is_forbidden(carried(ip_address(address.partition("%")[0])))
    ]
    if not permitted:
        raise AddressRefused(
            f"{host} leads to {', '.join(sorted(set(found)))}, where no notice is ever sent",
            hint="name a receiver that is neither link-local, nor a cloud's metadata service, nor multicast",
        )
    return permitted


async def connect(
    host: str, port: int, context: ssl.SSLContext | None, *, patience: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to a host, to the address that was checked, over TLS where there is a context.

    An address that does not answer is left after its share of the seconds of ``patience``.

    Raises:
        AddressRefused: it may not be reached.
        OSError: no address takes the connection, or its certificate is not good.
    """
    fault: OSError = OSError(f"{host} has no address")
    found = await addresses(host, port, socket.SOCK_STREAM)
    for address in found:
        try:
            async with asyncio.timeout(patience / len(found)):
                return await asyncio.open_connection(
                    address, port, ssl=context, server_hostname=host if context is not None else None
                )
        except OSError as error:
            fault = error
    raise fault


def told(error: OSError) -> str:
    """Return why a connection failed, in words; certificates and TLS say it better than errno."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, TimeoutError):
        return "it does not answer"
    return error.strerror or str(error) or type(error).__name__
