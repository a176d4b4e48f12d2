"""Certificates for a service that other computers reach."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from ufseg.errors import InputError
from ufseg.workspace.disk import storage_errors

if TYPE_CHECKING:
    from cryptography.x509 import GeneralName

CERTIFICATE_FILE, KEY_FILE = "certificate.pem", "key.pem"
_VALID_DAYS, _RENEW_DAYS = 397, 30
_BACKDATED = timedelta(hours=1)


@dataclass(frozen=True)
class Tls:
    """A certificate and its private key, as PEM files that fit each other.

    Args:
        certificate: the file, its own certificate first.
        key: the file.
        fingerprint: SHA-256 of the certificate, as pairs of hex digits with colons between.
    """

    certificate: Path
    key: Path
    fingerprint: str


def own_certificate(certificate: Path, key: Path) -> Tls:
    """Files that somebody gives.

    Raises:
        InputError: one is missing or unusable, they do not fit each other, or others may read the key.
    """
    for path in (certificate, key):
        if not path.is_file():
            raise InputError(f"There is no file {path}. Give PEM files with --tls-cert and --tls-key.")
    if os.name == "posix" and key.stat().st_mode & 0o077:
        raise InputError(
            f"Others may read the private key {key} (mode {key.stat().st_mode & 0o777:03o}). "
            f"Take that away: chmod 600 {key}"
        )
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise InputError(
            f"{certificate} and {key} are no certificate and private key that fit each other ({error}). Give PEM "
            "files, the key without a password."
        ) from error
    return Tls(certificate, key, _fingerprint(certificate))


def generated_certificate(folder: Path, names: Sequence[str]) -> Tls:
    """A self-signed certificate for these host names and addresses, kept in `folder` until it must be renewed.

    Raises:
        InputError: the package cryptography is not installed.
        StorageError: the folder cannot be written.
    """
    try:
        from cryptography import x509
    except ImportError as error:
        raise InputError(
            "To generate a certificate the package cryptography is needed. Install it with: pip install 'ufseg[tls]', "
            "or give a certificate with --tls-cert and --tls-key."
        ) from error
    certificate, key = folder / CERTIFICATE_FILE, folder / KEY_FILE
    if certificate.is_file() and key.is_file():
        known = x509.load_pem_x509_certificate(certificate.read_bytes())
        own = known.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        covered = {str(name.value) for name in own}
        left = known.not_valid_after_utc - datetime.now(timezone.utc)
        if covered >= set(names) and left > timedelta(days=_RENEW_DAYS):
            return own_certificate(certificate, key)
    with storage_errors(folder.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        public, private = _self_signed(names)
        _write_private(key, private)
        certificate.write_bytes(public)
    return own_certificate(certificate, key)


def _self_signed(names: Sequence[str]) -> tuple[bytes, bytes]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ufseg")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=_VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(n) for n in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(pem), key


def _general_name(name: str) -> GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write_private(path: Path, content: bytes) -> None:
    """Never readable by others, not even for a moment."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


def _fingerprint(certificate: Path) -> str:
    text = certificate.read_text(encoding="ascii", errors="replace")
    begin, end = ssl.PEM_HEADER, ssl.PEM_FOOTER
    first = text[text.index(begin) : text.index(end) + len(end)]
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest().upper()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def _no_password() -> str:
    raise ValueError("the key has a password")
