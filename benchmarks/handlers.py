"""How a request reaches its view: without middleware, but for the one contender that needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.test import Client
from django.test.utils import override_settings

from .exchange import USER_AGENT, Exchange

NEEDS_MIDDLEWARE = "/allauth/"


def middleware_for(path: str) -> list[str]:
    """The middleware that a request of this path goes through."""
    return settings.MIDDLEWARE if path.startswith(NEEDS_MIDDLEWARE) else []


def client_for(path: str) -> Client:
    """Django's test client, with the middleware of this path and no other."""
    client = Client()
    with override_settings(MIDDLEWARE=middleware_for(path)):
        client.handler.load_middleware()
    return client


def send(client: Client, exchange: Exchange) -> Any:
    """Make the request of an exchange; the response."""
    return client.generic(
        exchange.method,
        exchange.path,
        exchange.content(),
        exchange.content_type,
        headers={"User-Agent": USER_AGENT, **exchange.headers},
    )


def wsgi_application() -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """The same over WSGI."""
    handlers = {}
    for path in ("/", NEEDS_MIDDLEWARE):
        with override_settings(MIDDLEWARE=middleware_for(path)):
            handlers[path] = WSGIHandler()

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        needs = environ["PATH_INFO"].startswith(NEEDS_MIDDLEWARE)
        return handlers[NEEDS_MIDDLEWARE if needs else "/"](environ, start_response)

    return application
