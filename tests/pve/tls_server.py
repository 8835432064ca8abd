"""A server with a certificate of its own, which notes the requests that reach it."""

import datetime as dt
import hashlib
import ipaddress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Node:
    """A TLS server that answers like Proxmox and counts what reached it."""

    port: int
    certificate: Path
    fingerprint: str
    requests: list[str] = field(default_factory=list)
    script: list[str] = field(default_factory=list)


def make_certificate(folder: Path, address: str = "127.0.0.1") -> tuple[Path, str]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pve1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "node.pem"
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    digest = hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
    return file, ":".join(digest[at : at + 2] for at in range(0, 64, 2))


def handler(node: Node) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            node.requests.append(f"{self.command} {self.path}")
            if node.script and node.script.pop(0) == "hang up":
                self.connection.close()
                self.close_connection = True
                return
            body = b'{"data":"here"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 - http.server's names

        def log_message(self, *args: Any) -> None:
            """Keep the test's output clean."""

    return Handler


class Server(ThreadingHTTPServer):
    def handle_error(self, *args: Any) -> None:
        """A client that turns away in the handshake is what is tested."""
