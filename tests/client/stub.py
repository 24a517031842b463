"""A strict auth server and an API beside it, on a real socket, whose every step a test decides.

Strict: a refresh token that comes back ends the session, with no grace, unless a test gives some.
A client that lets two requests refresh at once does not survive one test here.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Stub:
    def __init__(self):
        self.generation = 1
        self.rotations = 0
        self.lifetime = 300
        self.grace = False
        self.expired = False
        self.revoked = ""
        #: What happens to the next refreshes: "drop", "lost", or (status, body, headers).
        self.faults = deque()
        self.refreshes = []
        self.signed_in = []
        self.ended = []
        self.calls = []
        #: While the gate is closed a refresh waits in the server; ``entered`` says it is there.
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.lock = threading.Lock()

    # --- what tests ask -----------------------------------------------------------------------

    @property
    def base_url(self):
        return f"{self.url}/auth/"

    def expire(self):
        """The access token is refused from now on, until the next refresh."""
        self.expired = True

    def calls_to(self, path):
        return [call for call in self.calls if call["path"] == path]

    def hold_refreshes(self):
        self.gate.clear()

    def wait_for_refresh(self):
        assert self.entered.wait(10), "no refresh arrived"

    @contextmanager
    def serving(self):
        stub = self
        handler = type("Handler", (Handler,), {"stub": stub})
        with Server(("127.0.0.1", 0), handler) as server:
            self.port = server.server_port
            self.url = f"http://127.0.0.1:{self.port}"
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield self
            finally:
                self.gate.set()
                server.shutdown()
                thread.join()

    # --- what the server does -----------------------------------------------------------------

    def issue(self):
        return {
            "access": f"access-{self.generation}",
            "refresh": f"refresh-{self.generation}",
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "refresh_expires_in": 1209600,
            "session": "0199a8f0-0000-7000-8000-000000000000",
        }

    def obtain(self, payload):
        self.signed_in.append(payload)
        if payload.get("password") != "correct horse":
            return 401, {"detail": "Wrong credentials.", "code": "invalid_credentials"}
        with self.lock:
            self.generation += 1
            self.expired, self.revoked = False, ""
        return 200, self.issue()

    def rotate(self, payload):
        with self.lock:
            self.refreshes.append(payload["refresh"])
            if self.revoked:
                return 401, {"detail": "The session has been ended.", "code": self.revoked}
            behind = self.generation - int(payload["refresh"].removeprefix("refresh-"))
            if behind == 1 and self.grace:
                return 200, self.issue()
            if behind:
                self.revoked = "token_reused"
                return 401, {"detail": "Used before.", "code": "token_reused"}
            self.generation += 1
            self.rotations += 1
            self.expired = False
            return 200, self.issue()

    def is_accepted(self, authorization):
        fresh = authorization == f"Bearer access-{self.generation}"
        return fresh and not self.expired and not self.revoked


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    # Joined when the server closes, so that no socket outlives a test.
    daemon_threads = False

    def handle_error(self, request, client_address):
        """A client that hung up is no news here."""


class Handler(BaseHTTPRequestHandler):
    stub: Stub

    def log_message(self, *arguments):
        pass

    def handle_any(self):
        path, body = urlsplit(self.path).path, self.read_body()
        self.stub.calls.append(
            {"path": path, "method": self.command, "headers": dict(self.headers), "body": body}
        )
        route = getattr(self, f"on_{path.strip('/').replace('/', '_').replace('-', '_')}")
        route(body)

    do_GET = do_POST = handle_any  # noqa: N815 (the names http.server looks for)

    def read_body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, status, content=b"", **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    # --- auth endpoints -----------------------------------------------------------------------

    def on_auth_obtain(self, body):
        self.answer(*self.stub.obtain(json.loads(body)))

    def on_auth_refresh(self, body):
        self.stub.entered.set()
        self.stub.gate.wait(10)
        fault = self.stub.faults.popleft() if self.stub.faults else None
        if isinstance(fault, tuple):
            return self.answer(*fault[:2], **(fault[2] if len(fault) > 2 else {}))
        if fault == "lost":  # before it was carried out
            return None
        answer = self.stub.rotate(json.loads(body))
        return None if fault == "drop" else self.answer(*answer)

    def on_auth_logout(self, body):
        self.stub.ended.append(json.loads(body)["refresh"])
        self.stub.revoked = "session_revoked"
        self.answer(204)

    def on_auth_logout_all(self, body):
        if not self.stub.is_accepted(self.headers.get("Authorization")):
            return self.answer(401, {"detail": "Expired.", "code": "token_expired"})
        self.stub.ended.append("all")
        self.stub.revoked = "session_revoked"
        return self.answer(200, {"revoked": 3})

    # --- the API ------------------------------------------------------------------------------

    def on_api(self, body):
        if not self.stub.is_accepted(self.headers.get("Authorization")):
            return self.answer(401, {"detail": "Expired.", "code": "token_expired"})
        return self.answer(200, body or b"hello")

    def on_refuses(self, body):
        """Answers 401 whatever is sent, for the reason in the query."""
        query = parse_qs(urlsplit(self.path).query)
        self.answer(401, {"code": query["code"][0]} if "code" in query else b"<h1>No</h1>")

    def on_moved(self, body):
        location = parse_qs(urlsplit(self.path).query)["to"][0]
        self.answer(307, Location=location)

    def on_moved_after_sign_in(self, body):
        if not self.stub.is_accepted(self.headers.get("Authorization")):
            return self.answer(401, {"code": "token_expired"})
        return self.answer(302, Location="/api/")

    def on_orders(self, body):
        """Carries out whatever is asked, and points to the result."""
        self.answer(303, Location="/api/")

    def on_loops(self, body):
        """401, a redirect to itself, 401, a redirect to itself …"""
        if len(self.stub.calls_to("/loops/")) % 2:
            return self.answer(401, {"code": "token_expired"})
        return self.answer(302, Location="/loops/")

    def on_open(self, body):
        self.answer(200, b"anyone")
