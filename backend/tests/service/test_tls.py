"""Other computers only with TLS."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from service_process import ServiceProcess

from ufseg.errors import InputError
from ufseg.service.listening import host_headers, own_names, require_protection
from ufseg.service.tls import CERTIFICATE_FILE, KEY_FILE, generated_certificate, own_certificate

pytest.importorskip("cryptography")


def test_another_address_without_tls_is_refused_with_the_next_step(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ufseg.cli.main", "serve", "-w", str(tmp_path / "w"), "--host", "0.0.0.0"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "--tls-generate" in done.stderr
    assert not (tmp_path / "w").exists()


def test_a_generated_certificate_is_kept_and_its_fingerprint_shown(tmp_path: Path) -> None:
    # Bound to all addresses, but called on loopback only.
    options = ("--host", "0.0.0.0", "--tls-generate", "--allowed-host", "reading-room.hospital.example")
    with ServiceProcess(tmp_path / "w", *options) as service:
        certificate = tmp_path / "w" / "tls" / CERTIFICATE_FILE
        port = int(service.url.rsplit(":", 1)[1])
        assert service.url == f"https://reading-room.hospital.example:{port}"
        der = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))
        assert service.hello["fingerprint"].replace(":", "").lower() == hashlib.sha256(der).hexdigest()
        if os.name == "posix":
            assert (tmp_path / "w" / "tls" / KEY_FILE).stat().st_mode & 0o777 == 0o600
        service.session.trust_env = False  # else a bundle of the environment would count
        service.session.verify = str(certificate)
        service.url = f"https://127.0.0.1:{port}"
        assert service.get("/health")["status"] == "ok"
        named = {"Host": f"reading-room.hospital.example:{port}"}
        assert service.answer("GET", "/health", headers=named).ok
        service.refused("GET", "/health", 421, headers={"Host": f"evil.example:{port}"})
        assert requests.get(f"{service.url}/health", verify=str(certificate), timeout=10).status_code == 401
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{port}/health", timeout=10)
        log = (tmp_path / "w" / "logs" / "service.jsonl").read_text(encoding="utf-8")
        assert service.hello["fingerprint"] in log
    names = own_names("0.0.0.0", ["reading-room.hospital.example"])
    assert generated_certificate(tmp_path / "w" / "tls", names).fingerprint == service.hello["fingerprint"]
    assert generated_certificate(tmp_path / "w" / "tls", ["other.example"]).fingerprint != service.hello["fingerprint"]


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    made = generated_certificate(tmp_path / "tls", ["localhost"])
    made.key.chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        own_certificate(made.certificate, made.key)


def test_files_that_do_not_fit_each_other_are_refused(tmp_path: Path) -> None:
    one, other = (generated_certificate(tmp_path / name, ["localhost"]) for name in ("a", "b"))
    with pytest.raises(InputError, match="fit each other"):
        own_certificate(one.certificate, other.key)
    with pytest.raises(InputError, match="no file"):
        own_certificate(tmp_path / "gone.pem", one.key)


def test_addresses_are_told_apart() -> None:
    for address in ("127.0.0.1", "127.9.9.9", "::1"):
        require_protection(address, tls=False)
    for address in ("0.0.0.0", "::", "192.168.1.20", "fe80::1"):
        with pytest.raises(InputError, match="TLS"):
            require_protection(address, tls=False)
        require_protection(address, tls=True)
    with pytest.raises(InputError, match="no address"):
        require_protection("reading-room", tls=True)
    assert host_headers(own_names("::1", []), 8, tls=False) == ["[::1]:8", "localhost:8"]
    # Clients leave the port out where it is the usual one.
    assert host_headers(["a"], 443, tls=True) == ["a:443", "a"]
    assert host_headers(["a"], 443, tls=False) == ["a:443"]
    assert socket.gethostname().lower() in own_names("192.168.1.20", [])
