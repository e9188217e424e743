"""Other people's servers on loopback: HTTP and TLS, fast, slow and hostile; and a resolver that says what we want."""

import contextlib
import gzip
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "idp.example.test"


@dataclass
class Resolver:
    """Gives its answers one after the other, the last one again and again; remembers what it was asked."""

    answers: Sequence[Sequence[str]]
    asked: list[str] = field(default_factory=list)
    delay_seconds: float = 0

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        time.sleep(self.delay_seconds)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


@dataclass
class Server:
    """One running server: what it was sent, how often it was connected to, which name TLS asked for."""

    port: int
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    connections: int = 0
    names: list[str | None] = field(default_factory=list)
    document: bytes = b""

    def url(self, path: str, *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


class Handler(BaseHTTPRequestHandler):
    """Answers by path; the query says how: `/redirect?to=…`, `/size?bytes=…`, `/type?is=…`, `/status?is=…`.

    `/document?is=…` is what the test has put on the server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "_Http"

    def setup(self) -> None:
        super().setup()
        self.server.seen.connections += 1

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen.requests.append((self.command, self.path, dict(self.headers), body))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLError):
            getattr(self, parts.path.strip("/") or "ok")(**query)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def reply(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def ok(self) -> None:
        self.reply(b'{"ok": true}', Set_Cookie="a=b")

    def last(self) -> None:
        self.reply(b"{}", Connection="close")
        self.close_connection = True

    def redirect(self, to: str, status: str = "302") -> None:
        self.reply(b"", int(status), Location=to)

    def nowhere(self) -> None:
        self.reply(b"moved", 302)

    def circle(self, left: str) -> None:
        self.redirect(f"/circle?left={int(left) - 1}") if int(left) else self.ok()

    def size(self, bytes: str) -> None:
        self.reply(b"x" * int(bytes))

    def endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"x" * 65536)

    def bomb(self, bytes: str) -> None:
        self.reply(gzip.compress(b"\0" * int(bytes)), Content_Encoding="gzip")

    def packed(self, encoding: str) -> None:
        self.reply(gzip.compress(b'{"packed": true}'), Content_Encoding=encoding)

    def unpackable(self) -> None:
        self.reply(b"not gzip", Content_Encoding="gzip")

    def document(self, **query: str) -> None:
        self.reply(self.server.seen.document, Content_Type=query.get("is", "application/samlmetadata+xml"))

    def type(self, **query: str) -> None:
        self.reply(b"<html>", Content_Type=query.get("is", ""))

    def status(self, **query: str) -> None:
        self.reply(b"secret", int(query["is"]))

    def slow_body(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self._drip(b"x")

    def slow_head(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        self._drip(b"x")

    def silent(self) -> None:
        time.sleep(1)

    def garbage(self) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        self.close_connection = True

    def _drip(self, piece: bytes) -> None:
        for _ in range(40):
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(0.05)


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    seen: Server

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what these tests want."""


@contextlib.contextmanager
def running(*, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server on a free loopback port until the block ends."""
    http = _Http(("127.0.0.1", 0), Handler)
    http.seen = Server(port=http.server_address[1])
    if tls is not None:
        tls.sni_callback = lambda _socket, name, _context: http.seen.names.append(name)
        http.socket = tls.wrap_socket(http.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield http.seen
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own, and a folder for its files."""

    folder: Path

    @property
    def file(self) -> str:
        path = self.folder / "ca.pem"
        path.write_bytes(_ca()[1].public_bytes(serialization.Encoding.PEM))
        return str(path)

    def server(self, name: str = NAME, *, days: int = 1) -> ssl.SSLContext:
        """A server's TLS with a certificate for `name` that is valid for `days` (negative: it ended)."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, days=days)
        path = self.folder / f"{name}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


@cache
def _ca() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, _signed("Test authority", key, key, days=30, names=None)


def _certificate(name: str, key: ec.EllipticCurvePrivateKey, *, days: int) -> x509.Certificate:
    return _signed(name, key, _ca()[0], days=days, names=x509.SubjectAlternativeName([x509.DNSName(name)]))


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    days: int,
    names: x509.SubjectAlternativeName | None,
) -> x509.Certificate:
    ends = datetime.now(UTC) + timedelta(days=days)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=60))
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signer, hashes.SHA256())
