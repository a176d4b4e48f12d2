"""Where the service listens, and by which names it may be called."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence

from ufseg.errors import InputError

LOOPBACK = "127.0.0.1"


def is_loopback(address: str) -> bool:
    """Whether an address is reached from this computer only.

    Raises:
        InputError: no numeric address.
    """
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError as error:
        raise InputError(
            f"{address!r} is no address to listen on. Give one of this computer's addresses, such as 192.168.1.20, "
            f"0.0.0.0 for all of them, or {LOOPBACK} for this computer only."
        ) from error


def require_protection(address: str, tls: bool) -> None:
    """Refuse to be reached from other computers without TLS; a token is needed anyway.

    Raises:
        InputError: the address is not loopback and there is no TLS.
    """
    if not is_loopback(address) and not tls:
        raise InputError(
            f"The address {address} can be reached from other computers, so it is only served with TLS. Add "
            "--tls-cert FILE --tls-key FILE, or --tls-generate for a certificate of its own; or leave --host out to "
            "serve this computer only."
        )


def own_names(address: str, allowed: Sequence[str]) -> list[str]:
    """Names and addresses by which clients may call the service, without ports.

    Args:
        address: it listens on.
        allowed: more names, such as the computer's in the hospital's DNS.
    """
    names = list(allowed)
    if is_loopback(address):
        names += [address, "localhost"]
    elif ipaddress.ip_address(address).is_unspecified:
        names += [socket.gethostname(), LOOPBACK, "localhost"]
    else:
        names += [address, socket.gethostname()]
    return list(dict.fromkeys(name.lower() for name in names))


def host_headers(names: Sequence[str], port: int, *, tls: bool) -> list[str]:
    """The Host headers that clients send for these names: without the port where it is the scheme's own."""
    headers = [f"{bracketed(name)}:{port}" for name in names]
    return headers + [bracketed(name) for name in names] if port == (443 if tls else 80) else headers


def bracketed(name: str) -> str:
    """A name as it stands in a URL: an IPv6 address gets brackets."""
    return f"[{name}]" if ":" in name else name


def listen(address: str, port: int) -> socket.socket:
    """A listening socket: a client that reads the start line can connect at once.

    Raises:
        InputError: the port is taken, or the address is not this computer's.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # With the protocol named, asyncio turns Nagle's algorithm off; else every answer would wait 40 ms for an
    # acknowledgement between its header and its body.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # on Windows this would let two programs share the port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise InputError(
            f"The port {port} of {address} cannot be used ({error.strerror}). Choose another one, or 0 for a free one."
        ) from error
    return listening
