"""The scanner beside every test: no token, secret or password where it does not belong.

It remembers what is made while a test runs, and looks for it, and for whatever is spelt like a
token, in every line of the log, every output of a command, every parameter of a statement and every
answer. What a test leaks on purpose it says with ``@pytest.mark.leaks("why")``, which fails where
nothing was leaked.
"""

import json
import logging
import re
import traceback
from collections import deque
from contextlib import ExitStack, contextmanager
from unittest import mock

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.management.base import OutputWrapper
from django.db import connections
from django.db.backends.signals import connection_created
from django.test import Client

from token_lifecycle import keys, tokens
from token_lifecycle.conf import app_settings
from token_lifecycle.cookies import CookieAttributes
from token_lifecycle.delivery import BODY, COOKIE
from token_lifecycle.testing import PASSWORD
from token_lifecycle.views import ObtainView, RefreshView

#: A header and a payload; what is cut off behind them would not make it harmless.
TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}")
#: Shorter passwords are words that stand in pages for other reasons.
MIN_PASSWORD = 12
#: Of a test that makes thousands the newest are looked for.
REMEMBERED = 60

#: What every record has; the rest is ``extra``. The request is Django's, and no formatter shows it.
USUAL = logging.makeLogRecord({}).__dict__.keys() | {"message", "asctime", "request"}

#: Which fields of an answer may hold tokens, by how the refresh token is delivered.
FIELDS = {BODY: ("access", "refresh"), COOKIE: ("access",)}


class Scanner:
    """One for the process, as what it listens to is."""

    def __init__(self):
        self.begin()

    def begin(self):
        """Forget the test before."""
        self._made = deque([PASSWORD], maxlen=REMEMBERED)
        self.leaks = []

    def remember(self, secret):
        if secret not in self._made:
            self._made.append(secret)

    def is_clean(self, text):
        return not TOKEN.search(text) and not any(secret in text for secret in tuple(self._made))

    def look(self, text, where):
        if not self.is_clean(text):
            self.leaks.append(where)

    def verdict(self, output, mark):
        """What is wrong with the test that ran, given what it printed; None where nothing is."""
        self.look(output, "standard output")
        match mark:
            case None if self.leaks:
                return f"A token, a secret or a password leaked into: {', '.join(self.leaks)}."
            case None:
                return None
            case _ if len(mark.args) != 1 or mark.kwargs:
                return "The mark `leaks` says why, and nothing else."
            case _ if not self.leaks:
                return "Nothing leaked: the mark `leaks` can go."
        return None

    @contextmanager
    def installed(self):
        """Listen at every channel, and to every maker of secrets."""
        with ExitStack() as stack:
            for owner, name, wrap in (
                (keys.Signer, "sign", self._signing),
                (tokens, "new_secret", self._making),
                (AbstractBaseUser, "set_password", self._hearing),
                (AbstractBaseUser, "check_password", self._hearing),
                (OutputWrapper, "write", self._writing),
                (Client, "request", self._requesting),
            ):
                stack.enter_context(mock.patch.object(owner, name, wrap(getattr(owner, name))))
            handler = LogHandler(self)
            logging.getLogger().addHandler(handler)
            stack.callback(logging.getLogger().removeHandler, handler)
            connection_created.connect(self._connected)
            stack.callback(connection_created.disconnect, self._connected)
            for connection in connections.all(initialized_only=True):
                self._connected(None, connection)
            yield

    # What is made

    def _signing(self, sign):
        def signed(signer, payload):
            token = sign(signer, payload)
            # Each for itself: somebody might take care to write only a part.
            for part in token.split(".")[1:]:
                self.remember(part)
            return token

        return signed

    def _making(self, new_secret):
        def made():
            secret = new_secret()
            self.remember(secret)
            return secret

        return made

    def _hearing(self, method):
        def heard(user, raw_password):
            if isinstance(raw_password, str) and len(raw_password) >= MIN_PASSWORD:
                self.remember(raw_password)
            return method(user, raw_password)

        return heard

    # Where it might turn up

    def _writing(self, write):
        def written(wrapper, msg="", *args, **kwargs):
            self.look(msg, "the output of a command")
            return write(wrapper, msg, *args, **kwargs)

        return written

    def _connected(self, sender, connection, **kwargs):
        if self.execute not in connection.execute_wrappers:
            # First, for whoever adds another takes away the last.
            connection.execute_wrappers.insert(0, self.execute)

    def execute(self, execute, sql, params, many, context):
        """Rows are written by statements, whoever makes them."""
        self.look("\n".join(_texts(params)), f"a statement: {sql[:60]}")
        return execute(sql, params, many, context)

    def _requesting(self, request):
        def requested(client, **environ):
            response = request(client, **environ)
            self.look_at_answer(response, environ.get("PATH_INFO", "/"))
            return response

        return requested

    def look_at_answer(self, response, path):
        for name, value in response.items():
            self.look(value, f"the header {name} of {path}")
        for cookie in response.cookies.values():
            if not self.is_clean(cookie.value) and not is_refresh_cookie(cookie, response):
                self.leaks.append(f"the cookie {cookie.key} of {path}")
        if response.streaming:
            if not response.is_async:
                response.streaming_content = self._streamed(response.streaming_content, path)
            return
        text = response.content.decode(errors="replace")
        if not self.is_clean(text):
            self.look(without_tokens(response, text), f"the body of {path}")

    def _streamed(self, pieces, path):
        for piece in pieces:
            self.look(piece.decode(errors="replace"), f"the stream of {path}")
            yield piece


class LogHandler(logging.Handler):
    """Every record that any logger lets through."""

    def __init__(self, scanner):
        super().__init__()
        self.scanner = scanner

    def emit(self, record):
        if record.name == "django.db.backends":
            return  # statements with their parameters, which are looked at themselves
        texts = [record.getMessage(), record.stack_info or ""]
        if record.exc_info and record.exc_info[0]:
            texts += traceback.format_exception(*record.exc_info)
        texts += [repr(value) for name, value in record.__dict__.items() if name not in USUAL]
        self.scanner.look("\n".join(texts), f"the log {record.name}")


def _texts(value):
    """All texts in the parameters of a statement: one row, many, or columns as PostgreSQL has."""
    match value:
        case str():
            yield value
        case dict():
            yield from _texts(list(value.values()))
        case list() | tuple():
            for one in value:
                yield from _texts(one)


def is_refresh_cookie(cookie, response):
    """Whether a cookie is the one that may hold a token, set as it has to be, where it may be."""
    name = CookieAttributes.from_settings(app_settings.cookie, mount="/").name
    return cookie.key == name and bool(cookie["httponly"]) and _hands_out(response) is COOKIE


def without_tokens(response, text):
    """The body of an answer, less the tokens that it is there to bring."""
    fields = FIELDS.get(_hands_out(response), ())
    if response.status_code != 200 or not fields:
        return text
    body = json.loads(text)
    return json.dumps({name: body[name] for name in body if name not in fields})


def _hands_out(response):
    """How the view behind an answer delivers tokens; None where it has none to deliver."""
    match = getattr(response, "wsgi_request", response).resolver_match
    view = getattr(match and match.func, "view_class", None)
    if view is None or not issubclass(view, (ObtainView, RefreshView)):
        return None
    return match.func.view_initkwargs.get("delivery", view.delivery)


scanner = Scanner()
