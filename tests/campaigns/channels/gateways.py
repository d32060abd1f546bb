"""Small servers that answer as other systems do: an HTTP one that does what it is told, and an SMS
centre that speaks SMPP 3.4."""

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, str]


@dataclass
class HttpServer:
    """``rule`` answers each request by its method, path, headers and body."""

    rule: Callable[[str, str, dict[str, str], bytes], Answer] = lambda *_: (200, "")
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def __enter__(self) -> "HttpServer":
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                given = (self.command, self.path, dict(self.headers.items()), body)
                outer.asked.append(given)
                status, words = outer.rule(*given)
                data = words.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = _any

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.place = f"127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


BIND, BIND_RESP, SUBMIT, SUBMIT_RESP = 0x09, 0x80000009, 0x04, 0x80000004
DELIVER, UNBIND, UNBIND_RESP = 0x05, 0x06, 0x80000006


@dataclass
class Centre:
    """An SMS centre for one session: takes texts, and hands over what it is told to.

    ``statuses`` are answered to the texts in their order, 0 where none is left; after each text
    that it took it sends what ``incoming`` holds: (sender, text, esm_class).
    """

    statuses: list[int] = field(default_factory=list)
    incoming: list[tuple[str, str, int]] = field(default_factory=list)
    receipts: bool = False
    texts: list[bytes] = field(default_factory=list)

    def __enter__(self) -> "Centre":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"smpp://user:secret@127.0.0.1:{self.port}/?from=SHOP"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        try:
            while True:
                link, _address = self._listener.accept()
                with link:
                    self._session(link)
        except OSError:
            return

    def _session(self, link: socket.socket) -> None:
        number = 0
        while head := _exactly(link, 16):
            length, command, _status, sequence = struct.unpack(">LLLL", head)
            body = _exactly(link, length - 16)
            if command == BIND:
                good = body.startswith(b"user\0secret\0")
                _send(link, BIND_RESP, 0 if good else 0x0E, sequence, b"centre\0")
            elif command == UNBIND:
                _send(link, UNBIND_RESP, 0, sequence, b"")
                return
            elif command == SUBMIT:
                number += 1
                status = self.statuses.pop(0) if self.statuses else 0
                name = f"{number:x}"
                _send(link, SUBMIT_RESP, status, sequence, name.encode() + b"\0")
                if status == 0:
                    self.texts.append(body)
                    if self.receipts:
                        words = f"id:{name} sub:001 dlvrd:001 stat:DELIVRD err:000 text:"
                        self.incoming.append(("33600000001", words, 4))
                while self.incoming:
                    number += 1
                    _send(link, DELIVER, 0, number, _deliver(*self.incoming.pop(0)))


def _deliver(sender: str, text: str, esm_class: int) -> bytes:
    words = text.encode("latin-1")
    return (
        b"\0" + b"\1\1" + sender.encode() + b"\0" + b"\1\1" + b"13013\0"
        + bytes([esm_class, 0, 0]) + b"\0\0" + bytes([0, 0, 0, 0]) + bytes([len(words)]) + words
    )  # fmt: skip


def _send(link: socket.socket, command: int, status: int, sequence: int, body: bytes) -> None:
    link.sendall(struct.pack(">LLLL", 16 + len(body), command, status, sequence) + body)


def _exactly(link: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = link.recv(size - len(found))
        if not part:
            return b""
        found += part
    return found
