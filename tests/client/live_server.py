"""The real server in a process of its own, and what tests do to it.

``python -m tests.client.live_server PORT`` is the process; :class:`LiveServer` starts it, stops
it, and looks into its database.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


class LiveServer:
    """``grace``: seconds for which a consumed refresh token still finds its successor; 0: strict,
    and two refreshes with one token end the session."""

    def __init__(self, directory, grace):
        self.database = directory / "live.sqlite3"
        self.grace = grace
        self.port = 0
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self):
        return f"{self.url}/auth/"

    def start(self):
        """Serve, on the same port as the last time."""
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.client.live_settings",
            "DATABASE_URL": f"sqlite:///{self.database}",
            "LIVE_GRACE": str(self.grace),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.client.live_server", str(self.port)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.communicate()

    @contextmanager
    def serving(self):
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def advance(self, seconds):
        """Let time pass on the server, while the client's clock stands."""
        request = urllib.request.Request(f"{self.url}/advance/{seconds}/", method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def expire_access_tokens(self):
        self.advance(3600)

    def generations(self):
        """The generation of each session that lives, oldest first."""
        return [generation for generation, reason in self.sessions() if not reason]

    def sessions(self):
        """(generation, reason it ended for) of each session, oldest first."""
        connection = sqlite3.connect(self.database, timeout=10)
        try:
            return connection.execute(
                "SELECT generation, revocation_reason FROM token_lifecycle_session"
                " ORDER BY created_at"
            ).fetchall()
        finally:
            connection.close()


def serve(port):
    """Migrate, make sure that Anna is there, say the port, and serve until killed."""
    import django
    from django.core.management import call_command
    from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    if not users.filter(username="anna").exists():
        users.create_user("anna", password="correct horse")

    class Server(ThreadedWSGIServer):
        request_queue_size = 128

    class Silent(WSGIRequestHandler):
        def log_message(self, *arguments):
            pass

    with Server(("127.0.0.1", port), Silent) as server:
        server.set_app(get_wsgi_application())
        print(server.server_port, flush=True)  # noqa: T201
        server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
