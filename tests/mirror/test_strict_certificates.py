# SPDX-License-Identifier: MIT
"""Certificates before whoever asks for all that RFC 5280 says, as Python 3.13 does."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

pytest.importorskip("cryptography")
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from memsection import mirror
from memsection.mirror.unreachable import problem_of

Files = tuple[str, str, str]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Certificate, key and authority of a host of this machine."""
    mirror.make_keys(tmp_path, ["base"])
    return tuple(str(tmp_path / name) for name in ("base.pem", "base.key", "authority.pem"))  # type: ignore[return-value]


def _drop_identifiers(folder: Path) -> None:
    """Make the certificates anew as they are where nobody asks for identifiers of keys."""
    signer = serialization.load_pem_private_key((folder / "authority.key").read_bytes(), None)
    for path in folder.glob("*.pem"):
        found = x509.load_pem_x509_certificate(path.read_bytes())
        built = (
            x509.CertificateBuilder()
            .subject_name(found.subject)
            .issuer_name(found.issuer)
            .public_key(found.public_key())
            .serial_number(found.serial_number)
            .not_valid_before(found.not_valid_before_utc)
            .not_valid_after(found.not_valid_after_utc)
        )
        for extension in found.extensions:
            if not isinstance(
                extension.value, x509.SubjectKeyIdentifier | x509.AuthorityKeyIdentifier
            ):
                built = built.add_extension(extension.value, extension.critical)
        signed = built.sign(signer, hashes.SHA256())  # type: ignore[arg-type]
        path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def _context(files: Files, *, is_server: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if is_server else ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(files[0], files[1])
    context.load_verify_locations(files[2])
    return context


def test_hosts_that_ask_for_everything_accept_each_other(files: Files) -> None:
    client, server = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        _context(files, is_server=False).wrap_bio(server, client, server_hostname="base"),
        _context(files, is_server=True).wrap_bio(client, server, server_side=True),
    ]
    for _ in range(6):
        for side in sides.copy():
            try:
                side.do_handshake()
                sides.remove(side)
            except ssl.SSLWantReadError:
                pass
    assert not sides


def test_the_cause_is_not_what_the_engine_does_not_ask_for(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    _drop_identifiers(Path(files[0]).parent)
    make = ssl.create_default_context

    def make_strict(*arguments: str, **options: str) -> ssl.SSLContext:
        context = make(*arguments, **options)  # type: ignore[arg-type]
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", make_strict)
    lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    lenient.load_cert_chain(files[0], files[1])
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with (
                listener.accept()[0] as plain,
                lenient.wrap_socket(plain, server_side=True) as link,
            ):
                link.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        problem = problem_of(f"tls/127.0.0.1:{listener.getsockname()[1]}", files, 5.0)
        thread.join()
    assert problem is None
