# SPDX-License-Identifier: MIT
"""Why an endpoint cannot be reached: what the engine, which only says that it could not, leaves to
be found out."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import time
from typing import NamedTuple

from memsection.mirror.endpoints import host_and_port

LISTEN_FOR = 0.3  #: seconds in which a peer that refuses our certificate says so
WINDOW = 1.0  #: seconds before the end of an attempt in which its cause is looked for, at most
_LATE = 0.1  #: seconds after the end of it for which somebody who looks is waited for


class Problem(NamedTuple):
    """What is wrong with an endpoint."""

    text: str
    is_refusal: bool = False  #: whether one side does not accept the other
    is_certain: bool = True  #: whether it can be nothing else


class Search:
    """Looks why endpoints cannot be reached, beside the attempt to reach them and just before its
    time is over; ended by ``stop``."""

    def __init__(
        self, endpoints: tuple[str, ...], credentials: tuple[str, str, str] | None, timeout: float
    ) -> None:
        window = min(WINDOW, timeout / 2)
        self._end = time.monotonic() + timeout
        self._begin = self._end - window
        self._stopped = threading.Event()
        self._found: dict[str, Problem | None] = {}
        self._threads = [
            threading.Thread(target=self._look, args=(one, credentials, window * 0.9), daemon=True)
            for one in endpoints
        ]
        for thread in self._threads:
            thread.start()

    def _look(
        self, endpoint: str, credentials: tuple[str, str, str] | None, timeout: float
    ) -> None:
        if not self._stopped.wait(max(0.0, self._begin - time.monotonic())):
            self._found[endpoint] = Problem(f"{endpoint.partition('/')[2]} does not answer")
            self._found[endpoint] = problem_of(endpoint, credentials, timeout)

    def stop(self) -> None:
        """There is nothing to be found out."""
        self._stopped.set()

    def problem(self) -> tuple[str, Problem] | None:
        """An endpoint and what is wrong with it; None when nothing could be seen from here."""
        if time.monotonic() < self._begin:
            self._stopped.set()  # it did not even begin to try
        for thread in self._threads:
            thread.join(max(0.0, self._end + _LATE - time.monotonic()))
        self._stopped.set()
        found = [(where, what) for where, what in self._found.copy().items() if what is not None]
        return min(found, key=lambda one: not one[1].is_certain, default=None)


def problem_of(
    endpoint: str, credentials: tuple[str, str, str] | None, timeout: float
) -> Problem | None:
    """What is wrong with an endpoint; None when nothing is that could be seen from here."""
    address = endpoint.partition("/")[2]
    try:
        plain = socket.create_connection(host_and_port(endpoint), timeout=timeout)
    except TimeoutError:
        return Problem(f"{address} does not answer")
    except OSError as failure:
        return Problem(f"{address}: {failure.strerror or failure}")
    with plain:
        if credentials is not None:
            return _handshake(plain, address, credentials)
    return Problem(
        f"{address} takes the connection and does not go on: it is stopped, asks for certificates "
        "(certificate, key and authority), or is something else",
        is_certain=False,
    )


def _handshake(
    plain: socket.socket, address: str, credentials: tuple[str, str, str]
) -> Problem | None:
    certificate, key, authority = credentials
    is_secure = False
    try:
        context = ssl.create_default_context(cafile=authority)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the engine asks for less than Python 3.13
        context.load_cert_chain(certificate, key)
        context.check_hostname = (
            False  # who the peer is says its common name, which access control looks at
        )
        with context.wrap_socket(plain) as secure:
            is_secure = True
            secure.settimeout(LISTEN_FOR)
            secure.recv(1)  # with TLS 1.3 a refusal of our certificate comes after the handshake
            return Problem(
                f"{address} closed the link: it may not know our authority, or its clock differs",
                is_refusal=True,
            )
    except TimeoutError:
        if is_secure:
            return None
        return Problem(
            f"{address} takes the connection and does not answer in the handshake: it is stopped, "
            "has no certificate, or is something else"
        )
    except ssl.SSLCertVerificationError as failure:
        why = f"has a certificate that is not accepted here: {failure.verify_message}"
        return Problem(f"{address} {why}", is_refusal=True)
    except ssl.SSLError as failure:
        reason = (
            re.sub(r"^SSLV3_|^TLSV1_|^TLSV13_|ALERT_", "", failure.reason or str(failure))
            .replace("_", " ")
            .lower()
        )
        why = f"does not accept our certificate, or speaks no TLS: {reason}"
        return Problem(f"{address} {why}", is_refusal=True)
    except OSError as failure:
        why = f"the link broke in the handshake: {failure.strerror or failure}"
        return Problem(f"{address}: {why}", is_refusal=True)
