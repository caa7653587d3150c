# SPDX-License-Identifier: MIT
"""Where hosts are reached: endpoints as a user writes them and as zenoh has them."""

from __future__ import annotations

import errno
import re
import socket
from ipaddress import ip_address

from memsection.vocabulary.errors import ArgumentError, Error, with_hint
from memsection.vocabulary.text import shown

_ADDRESS = re.compile(r"(\[[^\]\s]+\]|[^\[\]:\s]+):([0-9]{1,5})\Z")


def endpoints(option: str, value: object, *, is_secure: bool) -> tuple[str, ...]:
    """The endpoints of an option, each of them once.

    Raises:
        ArgumentError: It is no list of them, or the option does not go without certificates.
    """
    if isinstance(value, list | tuple | set | frozenset) and all(
        isinstance(one, str) for one in value
    ):
        return tuple(dict.fromkeys(_endpoint(option, one, is_secure=is_secure) for one in value))
    raise ArgumentError(
        f"network: {option}={shown(repr(value), 60)}: a list of endpoints is needed"
    )


def _endpoint(option: str, text: str, *, is_secure: bool) -> str:
    """An endpoint as zenoh has it; without a protocol it is the one that the certificates ask
    for."""
    protocol, slash, address = text.rpartition("/")
    protocol = protocol if slash else "tls" if is_secure else "tcp"
    parts = _ADDRESS.match(address)
    if (
        protocol not in ("tcp", "tls")
        or parts is None
        or int(parts[2]) > 65535
        or "#" in text
        or "?" in text
    ):
        raise ArgumentError(
            f"network: {option}={text!r}: an endpoint is tls/ADDRESS:PORT, or tcp/ADDRESS:PORT "
            "on loopback; an IPv6 address stands in brackets"
        )
    if is_secure and protocol == "tcp":
        raise ArgumentError(f"network: {option}={text!r}: with certificates the protocol is tls")
    if not is_secure and (protocol == "tls" or not _is_loopback(parts[1])):
        raise ArgumentError(
            f"network: {option}={text!r}: beyond loopback both sides prove who they are: give "
            "certificate, key and authority ('memsection mirror keys' makes them)"
        )
    return f"{protocol}/{address}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_and_port(endpoint: str) -> tuple[str, int]:
    """The name or address of the host at an endpoint as zenoh has it, and the port."""
    host, _, port = endpoint.partition("/")[2].rpartition(":")
    return host.strip("[]"), int(port)


def refuse_taken(endpoint: str) -> None:
    """Error for an endpoint that something else listens on; zenoh's own words do not name it."""
    try:
        found = socket.getaddrinfo(
            *host_and_port(endpoint), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(found[0], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[4])
            probe.listen(1)  # with the option above, bind alone lets two in
    except OSError as failure:
        refused = Error(f"network: listen on {endpoint}: {failure.strerror or failure}")
        if failure.errno == errno.EADDRINUSE:
            refused = with_hint(
                refused,
                "One program of a host listens on an endpoint. Publish everything from that one, "
                "or give this one settings that only connect.",
            )
        raise refused from None


def to_own(endpoint: str) -> str:
    """The endpoint at which a program of this host reaches the one that listens on this."""
    return re.sub(r"/(0\.0\.0\.0|\[::\]):", "/localhost:", endpoint)
