"""Two providers' services on this machine, built from their public API specifications.

Postmark: POST /email with X-Postmark-Server-Token; 200 with MessageID, 401, 422 with an ErrorCode
(300 invalid request, 406 inactive recipient), 429, 500, 503.  Mailgun: POST /v3/<domain>/messages
with basic auth "api"; 200 {"id", "message"}, 400, 401, 404, 429, 500.
"""

import base64
import json
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

TOKEN = "a-token-told-to-nobody"
HANG_UP = 0  # an answer that never comes
INACTIVE = (
    "You tried to send to a recipient that has been marked as inactive.\n"
    "Found inactive addresses: {}.\n"
    "Inactive recipients are ones that have generated a hard bounce or a spam complaint."
)


@dataclass
class Service:
    """``with Service() as service``; ``answers`` has the status of the next requests."""

    answers: list[int] = field(default_factory=list)
    inactive: set[str] = field(default_factory=set)
    seconds: float = 0.0
    taken: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> "Service":
        service = self

        class Handler(_Handler):
            about = service

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    about: Service

    def setup(self) -> None:
        super().setup()
        self.counted = False

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        if not self.counted:
            self.about.connections += 1
            self.counted = True
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.about.seconds)
        status = self.about.answers.pop(0) if self.about.answers else 200
        told = self._postmark(body) if self.path == "/email" else self._mailgun(body)
        if told["status"] == 200 and status in (200, HANG_UP):
            self.about.taken.append(told["message"])
        if status == HANG_UP:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if status != 200:
            told = {
                "status": status,
                "answer": {"message": "no", "ErrorCode": 100, "Message": "no"},
            }
        answer = json.dumps(told["answer"]).encode()
        self.send_response(told["status"])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        with suppress(BrokenPipeError):  # who asked did not wait
            self.wfile.write(answer)

    def _postmark(self, body: bytes) -> dict[str, Any]:
        if self.headers["X-Postmark-Server-Token"] != TOKEN:
            return {"status": 401, "answer": {"ErrorCode": 10, "Message": "Bad or missing token."}}
        message = json.loads(body)
        to = message["To"]
        if to in self.about.inactive:
            words = INACTIVE.format(to)
            return {"status": 422, "answer": {"ErrorCode": 406, "Message": words}}
        number = f"b7bc2f4a-e38e-4336-af7d-{len(self.about.taken):012}"
        answer = {"To": to, "MessageID": number, "ErrorCode": 0, "Message": "OK"}
        return {"status": 200, "answer": answer, "message": message}

    def _mailgun(self, body: bytes) -> dict[str, Any]:
        known = base64.b64encode(f"api:{TOKEN}".encode()).decode()
        if self.headers["Authorization"] != f"Basic {known}":
            return {"status": 401, "answer": {"message": "Forbidden"}}
        if self.path != "/v3/mg.shop.example/messages":
            return {"status": 404, "answer": {"message": "Domain not found: x"}}
        message = _form(self.headers["Content-Type"], body)
        number = f"<{len(self.about.taken)}.mail@mg.shop.example>"
        answer = {"id": number, "message": "Queued. Thank you."}
        return {"status": 200, "answer": answer, "message": message}


def _form(content_type: str, body: bytes) -> dict[str, Any]:
    if content_type.startswith("multipart/"):
        parsed = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
        found = {}
        for part in parsed.get_payload():
            name = part.get_param("name", header="content-disposition")
            found[name] = part.get_payload(decode=True).decode()
        return found
    return dict(parse_qsl(body.decode()))
