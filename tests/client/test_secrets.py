"""No token and no password in a log, a message or a frame that an error leaves behind."""

from __future__ import annotations

import traceback

import pytest

from token_lifecycle.client import AuthError, Session, TokenSet
from token_lifecycle.client.httpx import HttpxTransport
from token_lifecycle.client.requests import RequestsTransport

SECRETS = ("access-", "refresh-", "correct horse")

FAULTS = {
    "lost": ["lost", "lost"],
    "unavailable": [(503, b"")],
    "refused": [(401, {"detail": "Ended.", "code": "session_revoked"})],
    "half an answer": [(200, {"access": "access-9"})],
    "nonsense": [(200, b"<h1>refresh-9</h1>")],
}


def frames_of(error):
    """Everything an error reporter would print: messages, causes, and variables of each frame."""
    while error is not None:
        yield str(error)
        for frame, _ in traceback.walk_tb(error.__traceback__):
            # Those of the test itself and of the library are not ours to keep.
            if "token_lifecycle/client" in frame.f_code.co_filename:
                yield from map(repr, frame.f_locals.values())
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize("transport", [HttpxTransport, RequestsTransport])
@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
def test_a_failed_refresh_shows_no_token_anywhere(stub, log, transport, faults):
    session = Session(stub.base_url, transport=transport())
    session.adopt(TokenSet("access-1", "refresh-1"))
    stub.faults.extend(faults)
    with pytest.raises(AuthError) as caught:
        session.refresh()
    seen = [*frames_of(caught.value), log.text]
    assert len(seen) > 5
    assert not [text for text in seen for secret in SECRETS if secret in text]


def test_a_session_that_goes_well_logs_no_token(session, log):
    session.refresh()
    session.logout(everywhere=True)
    assert not [secret for secret in SECRETS if secret in log.text]


def test_no_object_of_the_client_shows_a_token(session):
    session.refresh()
    held = [session, session._vault, session._vault._store, session._endpoints, session._flights]
    assert not [secret for secret in SECRETS if secret in repr(held)]
