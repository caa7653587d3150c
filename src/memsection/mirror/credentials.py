# SPDX-License-Identifier: MIT
"""Certificates: making a small private authority and certificates of hosts, and refusing ones that
no peer would take.

The common name of a certificate is the name of a host; who holds a certificate of the authority
may publish under that name, and under no other.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memsection.mirror.wire import host_name
from memsection.vocabulary import status as st
from memsection.vocabulary.arguments import whole_number
from memsection.vocabulary.errors import AccessError, ArgumentError, ExistsError, NotFoundError
from memsection.vocabulary.text import shown

if TYPE_CHECKING:
    from cryptography import x509

DAYS = 825  #: for which a certificate of a host is good
AUTHORITY_DAYS = 3650
MOST_DAYS = 36500
#: what the key of a certificate may be used for
_USES = (
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


def make_keys(
    directory: str | os.PathLike[str],
    hosts: Sequence[str],
    addresses: Sequence[str] = (),
    *,
    days: int = DAYS,
    renew: bool = False,
) -> list[Path]:
    """Write the certificates of hosts, signed by the authority of a directory, which is made if
    there is none.

    ``authority.pem`` and ``HOST.pem`` may be known to everybody; ``HOST.key`` belongs on that host
    alone, and ``authority.key`` on none: who has it can be every host.

    Args:
        directory: Where the files are; made if there is none.
        hosts: Names of hosts; ``router`` for a zenoh router that forwards between them.
        addresses: Names and IP addresses that the certificates are good for, for other programs;
            zenoh checks the authority and the host's name.
        days: How long they are good.
        renew: Replace what is there: the hosts' certificates by ones with a new key, which keep
            their addresses when none are given, and the authority's by one with the same key that
            ends later.  What the authority has signed stays good with the old one and the new one,
            so hosts can be given it one after the other.

    Returns:
        The files that were written.

    Rights:
        None.

    Raises:
        ExistsError: A host has a certificate there already (FileExistsError).
        NotFoundError: There is no authority, or no certificate of a host, that could be renewed
            (FileNotFoundError).
        ArgumentError: A name is no host's name; no days, or more than a century (ValueError).
        TypeError: One name in the place of a list of them.
    """
    for what, names in (("hosts", hosts), ("addresses", addresses)):
        if isinstance(names, str):
            raise TypeError(f"keys: {what}={names!r}: a list of names is needed, [{names!r}]")
    if not 1 <= whole_number(days, "days") <= MOST_DAYS:
        raise ArgumentError(f"keys: days={days}: 1 to {MOST_DAYS}")
    place = Path(directory)
    for host in hosts:
        host_name(host)
        if (place / f"{host}.pem").exists() and not renew:
            raise ExistsError(
                f"keys: {place / f'{host}.pem'} exists; it is replaced with renew (--renew)"
            )
    if renew:
        return _renew(place, hosts, addresses, days)
    place.mkdir(parents=True, exist_ok=True)
    written = [] if (place / "authority.key").exists() else _make_authority(place)
    for host in hosts:
        written += _make_host(place, host, addresses, days)
    return written


def _renew(place: Path, hosts: Sequence[str], addresses: Sequence[str], days: int) -> list[Path]:
    """Replace certificates; nothing is written before it is known that all of them can be."""
    _signer(place)
    known = {
        host: addresses or _addresses(_certificates(place / f"{host}.pem")[0]) for host in hosts
    }
    written = _make_authority(place, renew=True)
    for host in hosts:
        written += _make_host(place, host, known[host], days, renew=True)
    return written


def _addresses(certificate: x509.Certificate) -> list[str]:
    """What a certificate is good for beside its host's name."""
    from cryptography import x509

    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(one.value) for one in found][1:]


def _signer(place: Path) -> Any:
    from cryptography.hazmat.primitives import serialization

    return serialization.load_pem_private_key(read_file(place / "authority.key"), None)


def _make_authority(place: Path, *, renew: bool = False) -> list[Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = _signer(place) if renew else ec.generate_private_key(ec.SECP256R1())
    name = _name("memsection laboratory")
    if renew:
        name = _certificates(place / "authority.pem")[0].subject
    use = dict.fromkeys(_USES, False) | {"key_cert_sign": True, "crl_sign": True}
    built = (
        _builder(name, name, key, key, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(True, 0), True)
        .add_extension(x509.KeyUsage(**use), True)
    )
    return _save(place, "authority", built, None if renew else key, key, renew=renew)


def _make_host(
    place: Path, host: str, addresses: Sequence[str], days: int, *, renew: bool = False
) -> list[Path]:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    authority, signer = _certificates(place / "authority.pem")[0], _signer(place)
    key = ec.generate_private_key(ec.SECP256R1())
    known: list[x509.GeneralName] = [x509.DNSName(host)]
    for address in addresses:
        try:
            known.append(x509.IPAddress(ip_address(address)))
        except ValueError:
            known.append(x509.DNSName(address))
    use = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    built = (
        _builder(_name(host), authority.subject, key, signer, days)
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(x509.SubjectAlternativeName(known), False)
        .add_extension(x509.ExtendedKeyUsage(use), False)
    )
    return _save(place, host, built, key, signer, renew=renew)


def _name(text: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Any, signer: Any, days: int
) -> x509.CertificateBuilder:
    """A certificate for a key, with what RFC 5280 asks of every one (Python 3.13 asks for it)."""
    from cryptography import x509

    now = datetime.datetime.now(datetime.UTC)
    # From an hour ago on: the clocks of a laboratory differ.
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
        )
    )


def _save(
    place: Path, name: str, built: x509.CertificateBuilder, key: Any, signer: Any, *, renew: bool
) -> list[Path]:
    """Write a certificate, and its key unless that stays (None)."""
    from cryptography.hazmat.primitives import hashes, serialization

    certificate, secret = place / f"{name}.pem", place / f"{name}.key"
    public = built.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    if key is None:
        _replace(certificate, public)
        return [certificate]
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    if renew:
        _replace(secret, private)
        _replace(certificate, public)
    else:
        # The key first, and never over one that exists.
        _write(secret, private)
        certificate.write_bytes(public)
    return [certificate, secret]


def _write(path: Path, content: bytes) -> None:
    """Write a new file, never readable by others for a moment."""
    with open(path, "xb", opener=partial(os.open, mode=0o600)) as file:
        file.write(content)


def _replace(path: Path, content: bytes) -> None:
    """Put a whole file in the place of one, with its mode."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)  # of somebody who was killed here
    _write(new, content)
    new.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o600)
    new.replace(path)


# ---------------------------------------------------------------------- what is wrong with one


def _certificates(path: str | Path) -> list[x509.Certificate]:
    from cryptography import x509

    text = read_file(path)
    try:
        found = x509.load_pem_x509_certificates(text)
    except ValueError as failure:
        raise ArgumentError(f"network: {path}: no certificate: {failure}") from None
    return found


def read_file(path: str | Path) -> bytes:
    """What is in a file of the settings.

    Raises:
        NotFoundError: It is missing (FileNotFoundError).
        AccessError: It may not be read (PermissionError).
        ArgumentError: No file can be read there (ValueError).
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"network: {path}: no such file", ntstatus=st.NO_SUCH_FILE) from None
    except PermissionError:
        raise AccessError(f"network: {path}: this user may not read it") from None
    except (OSError, ValueError) as failure:
        why = getattr(failure, "strerror", None) or failure
        raise ArgumentError(f"network: {shown(path)}: {why}") from None


def check(host: str, certificate: str, key: str, authority: str) -> None:
    """Refuse credentials that no peer would take, with the reason.

    Raises:
        NotFoundError: A file is missing (FileNotFoundError).
        AccessError: A file may not be read (PermissionError).
        ArgumentError: They do not fit together, are of another host, or have expired (ValueError).
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509.oid import NameOID

    own, authorities = _certificates(certificate)[0], _certificates(authority)
    names = [str(part.value) for part in own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [host]:
        raise ArgumentError(
            f"network: host={host!r}, but certificate={certificate!r} is of "
            f"{', '.join(names) or 'nobody'}"
        )
    now = datetime.datetime.now(datetime.UTC)
    for what, one in (("certificate", own), ("authority", authorities[0])):
        if now > one.not_valid_after_utc:
            raise ArgumentError(
                f"network: {what}: expired on {one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC; "
                "'memsection mirror keys' makes new ones"
            )
        if now < one.not_valid_before_utc:
            raise ArgumentError(
                f"network: {what}: good from {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC on; "
                f"is the "
                "clock of this host right?"
            )
    text = read_file(key)
    try:
        private: Any = serialization.load_pem_private_key(text, None)
    except (ValueError, TypeError) as failure:
        raise ArgumentError(
            f"network: key={key!r}: no private key without a password: {failure}"
        ) from None
    if private.public_key() != own.public_key():
        raise ArgumentError(f"network: key={key!r} does not belong to certificate={certificate!r}")
    if not any(_has_signed(one, own) for one in authorities):
        raise ArgumentError(
            f"network: certificate={certificate!r} was not signed by authority={authority!r}"
        )


def _has_signed(authority: x509.Certificate, own: x509.Certificate) -> bool:
    try:
        own.verify_directly_issued_by(authority)
    except Exception:  # InvalidSignature, a wrong issuer, an unknown kind of key: no
        return False
    return True
