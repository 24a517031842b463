"""A real server with a database of its own: ``python -m tests.browser.server PORT [PORT …]``.

Several ports are several origins for a browser. Answers end the connection, because a browser
silently repeats a request whose reused connection was cut, and the tests count requests.
"""

import os
import ssl
import sys
import threading

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.browser.settings"

from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.0"

    def get_environ(self):
        environ = super().get_environ()
        environ["stage.connection"] = self.connection
        if isinstance(self.connection, ssl.SSLSocket):
            environ["wsgi.url_scheme"] = "https"
        return environ

    def log_message(self, *arguments):
        """The tests read the stage's own log."""


class Server(ThreadedWSGIServer):
    request_queue_size = 128


def listen(port, application):
    server = Server(("127.0.0.1", port), Handler)
    server.set_app(application)
    if certificate := os.environ.get("BROWSER_TEST_CERTIFICATE"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        # The handshake belongs to the request's own thread: a slow one must not hold up the rest.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    return server


def main(ports):
    application = get_wsgi_application()
    call_command("migrate", verbosity=0)
    servers = [listen(port, application) for port in ports]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main([int(port) for port in sys.argv[1:]])
