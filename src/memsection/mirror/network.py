# SPDX-License-Identifier: MIT
"""Who this host is, how it reaches others, and whom it believes: the settings, and the zenoh
sessions made from them.

A network that listens has one session for everything.  One that only connects has a session, and
so a link, for each publication and each replica: behind a link of its own no small value waits for
a large one.  Access control is zenoh's, by the common name of the certificate at the other end of
each link (``access_control``).
"""

from __future__ import annotations

import json
import os
import threading
import tomllib
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from memsection.api.descriptors import ensure_descriptors
from memsection.mirror import credentials, engine
from memsection.mirror.access_control import access_control
from memsection.mirror.endpoints import endpoints, refuse_taken
from memsection.mirror.unreachable import Problem, Search
from memsection.mirror.wire import ROUTER, host_name
from memsection.vocabulary.arguments import seconds, whole_number
from memsection.vocabulary.errors import (
    AccessError,
    ArgumentError,
    Error,
    NotFoundError,
    WaitTimeoutError,
    with_hint,
)
from memsection.vocabulary.text import shown

#: That are free before a session is opened (it takes about 20): zenoh ends the process for want of
#: one.
DESCRIPTORS = 48
LEASE = 2.0  #: seconds of silence after which a link counts as lost
MESSAGE = 4 << 20  #: bytes of the largest message that is taken from a link
#: Bytes that a link reads ahead, of a host that only connects: it has few links.  One that listens
#: may have a thousand, and keeps zenoh's 64 KiB.
AHEAD = 1 << 20


@dataclass(frozen=True)
class Network:
    """How this host takes part in a network of hosts that publish to each other.

    Args:
        host: This host's name; what it publishes is found under it.  With certificates it is their
            common name.
        listen: Endpoints where others reach this host: ``"tls/0.0.0.0:7447"``.  Without
            certificates loopback only.
        connect: Endpoints of other hosts, or of a router.
        certificate: This host's certificate, a PEM file.
        key: The private key of it.
        authority: The certificate of the authority that all hosts of the network were signed by.
        connect_timeout: Seconds after which an endpoint that cannot be reached is an error.
        max_size: Bytes that a content may have to be accepted.

    Rights:
        None.

    Raises:
        ArgumentError: An endpoint beyond loopback without ``certificate``, ``key`` and
            ``authority``; no such host name or endpoint can be; or the certificate is another
            host's, has expired, or does not fit (ValueError).
        NotFoundError: A file is missing (FileNotFoundError).
    """

    host: str
    listen: Sequence[str] = ()
    connect: Sequence[str] = ()
    certificate: str | os.PathLike[str] | None = None
    key: str | os.PathLike[str] | None = None
    authority: str | os.PathLike[str] | None = None
    connect_timeout: float = 5.0
    max_size: int = 1 << 30
    _shared: list[Connection] = field(default_factory=list, init=False, repr=False, compare=False)
    _connections: weakref.WeakSet[Connection] = field(
        default_factory=weakref.WeakSet, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if host_name(self.host) == ROUTER:
            raise ArgumentError(
                f"network: {ROUTER!r} is the name of routers, which publish nothing of their own"
            )
        given = [
            name for name in ("certificate", "key", "authority") if getattr(self, name) is not None
        ]
        for name in given:
            object.__setattr__(self, name, _path(name, getattr(self, name)))
        if given and len(given) < 3:
            raise ArgumentError(
                f"network: {', '.join(given)} alone: certificate, key and authority belong together"
            )
        for name in ("listen", "connect"):
            found = endpoints(name, getattr(self, name), is_secure=bool(given))
            object.__setattr__(self, name, found)
        if not self.listen and not self.connect:
            raise ArgumentError(
                "network: listen or connect: a host that does neither reaches nobody"
            )
        timeout = seconds(self.connect_timeout, "connect_timeout")
        if not 0 < timeout <= 3600:
            raise ArgumentError(
                f"network: connect_timeout={timeout:g}: seconds, more than 0 and at most 3600"
            )
        size = whole_number(self.max_size, "max_size")
        if not 1 <= size <= 1 << 62:
            raise ArgumentError(f"network: max_size={size}: bytes, 1 to 2 ** 62")
        object.__setattr__(self, "connect_timeout", timeout)
        object.__setattr__(self, "max_size", size)

    def __reduce__(self) -> tuple[Any, ...]:
        """A process that is given it has the settings, and makes links of its own."""
        return Network, tuple(getattr(self, one.name) for one in fields(self) if one.init)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Network:
        """The network that a TOML file describes, with the arguments of ``Network`` as keys.

        Paths of files in it count from the directory of that file; ``~`` is the user's.

        Rights:
            None.

        Raises:
            NotFoundError: There is no such file (FileNotFoundError).
            AccessError: This user may not read it (PermissionError).
            ArgumentError: It is no TOML, or has keys that are none (ValueError); and as for
                ``Network``.
        """
        file = shown(os.fsdecode(path))
        try:
            said = tomllib.loads(credentials.read_file(os.fsdecode(path)).decode())
        except NotFoundError as missing:
            raise with_hint(
                missing,
                "Write it, with the arguments of memsection.mirror.Network as keys, or name "
                "another one with --network.",
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as failure:
            raise ArgumentError(f"network: {file}: {failure}") from None
        known = [one.name for one in fields(cls) if one.init]
        wrong = sorted(set(said) - set(known))
        if wrong or "host" not in said:
            raise ArgumentError(
                f"network: {file}: "
                + (f"unknown: {', '.join(map(shown, wrong))}; " if wrong else "no host; ")
                + f"the keys are {', '.join(known)}"
            )
        place = Path(os.fsdecode(path)).resolve().parent
        for name in ("certificate", "key", "authority"):
            if isinstance(said.get(name), str) and said[name]:
                said[name] = place / Path(said[name]).expanduser()
        try:
            return cls(**said)
        except TypeError as failure:
            raise ArgumentError(f"network: {file}: {failure}") from None

    @property
    def _credentials(self) -> tuple[str, str, str] | None:
        if self.certificate is None or self.key is None or self.authority is None:
            return None
        return os.fspath(self.certificate), os.fspath(self.key), os.fspath(self.authority)

    def _connection(self, user: User, remote: str | None) -> Connection:
        """The connection that a publication (``remote`` None) or a replica of a remote host
        uses."""
        if self._credentials:
            credentials.check(self.host, *self._credentials)
        engine.refuse_after_fork()  # before the lock, which nobody would release in a child
        with _lock:
            if not self.listen:
                connection = Connection(self)
            else:
                if not self._shared:
                    self._shared.append(_listening.setdefault(self, Connection(self)))
                connection = self._shared[0]
            self._connections.add(connection)
        connection.add(user, remote)
        return connection

    def renew(self) -> None:
        """Use the files ``certificate``, ``key`` and ``authority`` as they are now.

        The files are read when the network is first used.  A link ends when a certificate of its
        expires, and may be made again only between processes that had one: replace the files before
        that, and call this.  Links are made anew; publications and replicas go
        on, and what is published meanwhile arrives after it.

        Rights:
            None.

        Raises:
            ArgumentError: The network has no certificates, or the files do not fit; nothing has
                changed then (ValueError).
            NotFoundError: A file is missing; nothing has changed then (FileNotFoundError).
            AccessError: A peer does not accept the certificate, or we not theirs (PermissionError).
            WaitTimeoutError: An endpoint could not be reached within ``connect_timeout``
                (TimeoutError).
            Error: An endpoint to listen on is taken, or this process was forked from one that used
                the network.  After this error and the two before it there may be no link: call
                again.
        """
        if self._credentials is None:
            raise ArgumentError("network: renew: it has no certificate, key and authority")
        engine.refuse_after_fork()
        credentials.check(self.host, *self._credentials)
        with _lock:
            connections = list(self._connections)
        failed: Error | None = None
        for connection in connections:
            try:
                connection.renew()
            except Error as failure:  # the others are renewed all the same
                failed = failure
        if failed is not None:
            raise failed


def _path(option: str, value: object) -> str:
    if not isinstance(value, str | bytes | os.PathLike) or not os.fspath(value):
        raise ArgumentError(f"network: {option}={shown(repr(value), 60)}: a file's path is needed")
    return os.fsdecode(value)


def checked(value: object) -> Network:
    """The network that a caller gave.

    Raises:
        TypeError: It is none.
    """
    if isinstance(value, Network):
        return value
    raise TypeError(
        f"network: a mirror.Network is needed, not {type(value).__name__}; "
        "Network.from_file(path) reads one"
    )


_lock = threading.RLock()
#: The connections of networks that listen: whoever has the same settings has the same one.
_listening: weakref.WeakValueDictionary[Network, Connection] = weakref.WeakValueDictionary()


def hosts_reached(network: Network) -> list[str]:
    """The names of the hosts at the other end of the links, by their certificates; ``*`` where
    there are none."""
    if network._credentials is None:
        return ["*"]
    asker = User()
    connection = network._connection(asker, None)
    try:
        names = {link.auth_identifier for link in connection.session.info.links()}
    finally:
        connection.remove(asker)
    return sorted(name for name in names if name and name != ROUTER)


class User:
    """What declares its keys on a session, and again when the session is made anew."""

    def declare(self, session: Any) -> None:
        """Declare everything on a session that has just been opened."""


class Connection:
    """A session and its users.  It is opened anew when it has to believe another host than those
    it knows."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._users: list[tuple[User, str | None]] = []
        self._believed: frozenset[str] = frozenset()
        self._lock = threading.RLock()
        self.session: Any = None
        engine.remember(self)

    def add(self, user: User, remote: str | None) -> None:
        """Have the user's keys declared."""
        with self._lock:
            before = list(self._users)
            self._users.append((user, remote))
            believed = frozenset(host for _, host in self._users if host is not None)
            try:
                if self.session is None or not believed <= self._believed:
                    self._open(believed | self._believed)
                else:
                    user.declare(self.session)
            except BaseException:
                self._users = before
                if not before:
                    self.close()
                raise

    def _open(self, believed: frozenset[str]) -> None:
        if self.session is not None:
            engine.end(self.session)
            self.session = None
        self.session = _open(self._network, believed)
        self._believed = believed
        for user, _ in self._users:
            user.declare(self.session)

    def renew(self) -> None:
        """Open the session anew, with the files of the network as they are now."""
        with self._lock:
            if self._users:
                self._open(self._believed)

    def remove(self, user: User) -> None:
        """Forget a user; with the last one the session ends."""
        with self._lock:
            self._users = [pair for pair in self._users if pair[0] is not user]
            if not self._users:
                self.close()

    def close(self) -> None:
        """End the session."""
        with self._lock:
            self._believed = frozenset()
            if self.session is not None:
                engine.end(self.session)
                self.session = None


def _open(network: Network, believed: frozenset[str]) -> Any:
    zenoh = engine.zenoh()
    for endpoint in network.listen:
        refuse_taken(endpoint)
    ensure_descriptors(DESCRIPTORS)
    search = Search(tuple(network.connect), network._credentials, network.connect_timeout)
    try:
        config = zenoh.Config()
        for key, value in _settings(network, believed).items():
            config.insert_json5(key, json.dumps(value))
        return engine.begin(lambda: zenoh.open(config), network.listen, network.connect)
    except zenoh.ZError as failure:
        raise _explain(network, failure, search.problem()) from None
    finally:
        search.stop()


def _explain(network: Network, failure: Exception, found: tuple[str, Problem] | None) -> Error:
    """The error for a session that could not be opened, with the cause."""
    in_time = f"(connect_timeout {network.connect_timeout:g} s)"
    if found is None:
        return WaitTimeoutError(f"network: {str(failure).partition(' at /')[0]} {in_time}")
    endpoint, problem = found
    return (AccessError if problem.is_refusal else WaitTimeoutError)(
        f"network: connect to {endpoint}: {problem.text} {in_time}"
    )


def _settings(network: Network, believed: frozenset[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {
        # Routers forward between clients, not between peers, which they take to have links of
        # their own.
        "mode": "client" if not network.listen and len(network.connect) == 1 else "peer",
        "listen/endpoints": list(network.listen),
        "connect/endpoints": list(network.connect),
        "scouting/multicast/enabled": False,
        "scouting/gossip/enabled": False,
        # Without these two zenoh opens a session that reaches nobody, and goes on trying in
        # silence.
        "connect/timeout_ms": int(network.connect_timeout * 1000),
        "connect/exit_on_failure": True,
        "connect/retry": {"period_init_ms": 100, "period_max_ms": 400, "period_increase_factor": 2},
        "listen/exit_on_failure": True,
        "transport/shared_memory/enabled": False,
        "transport/unicast/open_timeout": 1000,
        "transport/unicast/accept_timeout": 2000,
        "transport/link/tx/lease": int(LEASE * 1000),
        "transport/link/rx/max_message_size": MESSAGE,
        # A subscriber that does not take what is announced misses it, and asks later; nobody waits
        # for it.
        "transport/link/tx/queue/congestion_control/drop/wait_before_drop": 0,
        "transport/link/tx/queue/size/real_time": 16,
        "transport/link/tx/queue/size/data": 16,
        "transport/link/protocols": ["tls" if network._credentials else "tcp"],
    }
    if not network.listen:
        settings["transport/link/rx/buffer_size"] = AHEAD
    if network._credentials is not None:
        certificate, key, authority = network._credentials
        tls = {
            "root_ca_certificate": authority,
            "enable_mtls": True,
            "close_link_on_expiration": True,
            "listen_certificate": certificate,
            "listen_private_key": key,
            "connect_certificate": certificate,
            "connect_private_key": key,
            # Hosts move between addresses: who is at the other end says the common name, below.
            "verify_name_on_connect": False,
        }
        settings |= {f"transport/link/tls/{name}": value for name, value in tls.items()}
        settings["access_control"] = access_control(network.host, believed)
    return settings
