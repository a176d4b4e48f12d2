"""Whom to believe that it is the backend on another computer."""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from .errors import BackendError
from .translation import tr as _

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_HTTPS_PORT = 443
_SECONDS = 5.0


@dataclass(frozen=True)
class Trust:
    """What a backend's certificate is compared with; the computer's usual authorities if nothing is given.

    Args:
        authority: PEM file of the certificate authority, or of the backend's certificate itself.
        fingerprint: SHA-256 of the backend's certificate, pairs of hex digits; then nothing else is asked.
    """

    authority: str = ""
    fingerprint: str = ""

    def require_protection(self, url: str) -> None:
        """Look at an address before a token is sent there.

        Raises:
            BackendError: no address; plain HTTP to another computer; a file or fingerprint that is none.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BackendError(
                _("“{url}” is no address. Enter one such as https://ai.hospital.example:8443.").format(url=url)
            )
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise BackendError(
                _(
                    "{url} is not encrypted: images and token could be read on their way. Start the backend there with "
                    "--tls-generate or a certificate, and use its https:// address."
                ).format(url=url)
            )
        if self.authority and not Path(self.authority).is_file():
            raise BackendError(
                _("There is no certificate file {path}. Choose a PEM file, or leave it empty.").format(
                    path=self.authority
                )
            )
        if self.fingerprint and len(_digits(self.fingerprint)) != 64:
            raise BackendError(
                _(
                    "The fingerprint has {count} hex digits, and a SHA-256 has 64. Copy the whole of it from the first "
                    "line that the backend prints."
                ).format(count=len(_digits(self.fingerprint)))
            )

    @property
    def verify(self) -> bool | str:
        """What requests checks the chain of certificates with; to be given with every request.

        A session's own would be overruled by REQUESTS_CA_BUNDLE, which hospitals set for their proxies.
        """
        if self.fingerprint:
            return False  # the certificate itself is known, whoever signed it
        return self.authority or True

    def apply(self, session: requests.Session) -> None:
        """Let a session accept the certificate with the fingerprint only, if there is one; see `verify` too."""
        if self.fingerprint:
            session.mount("https://", _Pinned(_digits(self.fingerprint)))

    def refusal(self, url: str) -> BackendError:
        """What to say when a certificate was refused, with the fingerprint that was shown."""
        parts = urlsplit(url)
        try:
            pem = ssl.get_server_certificate((str(parts.hostname), parts.port or _HTTPS_PORT), timeout=_SECONDS)
            shown = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        except (OSError, ValueError):
            shown = ""
        if self.fingerprint:
            what = _("{url} shows another certificate than the one whose fingerprint you entered.").format(url=url)
            step = _(
                "It may have been renewed, or somebody is in between: compare it with the backend's first line before "
                "you enter it."
            )
        else:
            what = _("The certificate of {url} is not trusted by this computer.").format(url=url)
            step = _(
                "Compare it with the fingerprint in the first line that the backend prints; if they agree, enter it "
                "under Advanced. Or choose the certificate file of your authority."
            )
        seen = _("Its fingerprint is {fingerprint}.").format(fingerprint=_pairs(shown)) if shown else ""
        return BackendError(" ".join(s for s in (what, seen, step) if s), "CertificateError")


class _Pinned(HTTPAdapter):
    """Accepts one certificate only."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        super().__init__()

    def init_poolmanager(self, *arguments, **options) -> None:
        """As requests does, with the fingerprint."""
        super().init_poolmanager(*arguments, assert_fingerprint=self._fingerprint, **options)


def _digits(fingerprint: str) -> str:
    return re.sub(r"[^0-9a-f]", "", fingerprint.lower())


def _pairs(digits: str) -> str:
    """As backends write it, with a space here and there, so that it can be wrapped."""
    pairs = [digits[i : i + 2].upper() for i in range(0, len(digits), 2)]
    return " ".join(":".join(pairs[i : i + 8]) for i in range(0, len(pairs), 8))
