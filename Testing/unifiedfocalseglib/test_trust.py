"""Which certificates and tokens are used with another computer, whatever the environment says."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

# Loopback all the same, but not a name that the client takes for this computer.
HOST = "127.0.0.2"


class Health(BaseHTTPRequestHandler):
    """Answers with the token that it was shown."""

    def do_GET(self) -> None:
        body = f'{{"token": "{self.headers["Authorization"]}"}}'.encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments) -> None:
        """Not to standard error."""


@pytest.fixture
def elsewhere(tmp_path, slicer_scene):
    """Address, certificate file and fingerprint of a server with a certificate of its own."""
    from ufseg.service.tls import generated_certificate

    tls = generated_certificate(tmp_path / "tls", [HOST])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    try:
        server = HTTPServer((HOST, 0), Health)
    except OSError:
        pytest.skip(f"this computer has no address {HOST}")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"https://{HOST}:{server.server_port}", str(tls.certificate), tls.fingerprint
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["bundle", "no bundle"])
def environment(request, monkeypatch, tmp_path):
    """With and without the variable that names other authorities; a password of the user's for the same host."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "bundle":
        import certifi

        monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    netrc = Path(tmp_path / "netrc")
    netrc.write_text(f"machine {HOST} login somebody password else\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))


def ask(url: str, trust) -> str:
    from UnifiedFocalSegLib.client import BackendClient

    return BackendClient(url, "secret", trust).health()["token"]


def test_a_certificate_is_known_by_its_file_or_its_fingerprint(elsewhere, environment):
    from UnifiedFocalSegLib.errors import BackendError
    from UnifiedFocalSegLib.trust import Trust

    url, certificate, fingerprint = elsewhere
    assert ask(url, Trust(authority=certificate)) == "Bearer secret"
    assert ask(url, Trust(fingerprint=fingerprint)) == "Bearer secret"
    with pytest.raises(BackendError, match="is not trusted by this computer") as unknown:
        ask(url, Trust())
    shown = str(unknown.value).replace(" ", "").replace(":", "")
    assert fingerprint.replace(":", "") in shown, "so that it can be compared"
    with pytest.raises(BackendError, match="another certificate than the one"):
        ask(url, Trust(fingerprint="ab" * 32))
    with pytest.raises(BackendError, match="another certificate than the one"):
        ask(url, Trust(authority=certificate, fingerprint="ab" * 32))
