"""The proxy configurations in the docs: what they promise stands in them, and nginx accepts its own."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from karokar.config import PROJECT

NGINX = PROJECT / "docs" / "nginx.conf"
CADDY = PROJECT / "docs" / "Caddyfile"


def without_comments(file: Path) -> str:
    return re.sub(r"(?m)^\s*#.*$", "", file.read_text())


@pytest.mark.parametrize("file", [NGINX, CADDY], ids=["nginx", "caddy"])
def test_every_block_is_closed(file: Path):
    text = re.sub(r'"[^"]*"|\{[\w.]+\}', "", without_comments(file))
    depth = 0
    for sign in re.findall(r"[{}]", text):
        depth += 1 if sign == "{" else -1
        assert depth >= 0
    assert depth == 0


@pytest.mark.parametrize(
    "promise",
    [
        "client_header_timeout",
        "client_body_timeout",
        "proxy_request_buffering on",
        "limit_conn per_address",
        "X-Forwarded-For $remote_addr",
        "X-Forwarded-Proto $scheme",
    ],
)
def test_nginx_waits_for_whole_requests_and_says_who_asks(promise: str):
    assert promise in without_comments(NGINX)


@pytest.mark.parametrize("promise", ["read_header", "read_body", "max_size", "X-Forwarded-For {remote_host}"])
def test_caddy_waits_for_headers_and_says_who_asks(promise: str):
    assert promise in without_comments(CADDY)


def test_nginx_accepts_its_configuration(tmp_path: Path):
    """Where nginx is installed it reads the whole file; elsewhere every directive at least ends as one must."""
    lines = [line.strip() for line in without_comments(NGINX).splitlines() if line.strip()]
    assert all(line.endswith((";", "{", "}")) for line in lines)
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program:
        made = configuration(tmp_path)
        checked = subprocess.run(
            [program, "-t", "-p", str(tmp_path), "-c", str(made)], capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stderr


def configuration(folder: Path) -> Path:
    """The file as it is, with a certificate and places that this machine has."""
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=karokar.example.com",
            "-keyout",
            str(folder / "privkey.pem"),
            "-out",
            str(folder / "fullchain.pem"),
        ],
        check=True,
        capture_output=True,
    )
    text = NGINX.read_text().replace("/etc/letsencrypt/live/karokar.example.com", str(folder))
    text = text.replace("/var/log/nginx/karokar.log", str(folder / "access.log"))
    made = folder / "nginx.conf"
    made.write_text(f"pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n{text}")
    return made
