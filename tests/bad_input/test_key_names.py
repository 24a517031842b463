"""What a header says of its key is data: nothing is fetched, opened or asked for because of it."""

import socket
import threading

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.answers import REFRESH, assert_answer
from tests.bad_input.doors import WHOAMI
from tests.forging import HEADER, claims_of, forge, reforged, rows, segment
from tests.naughty import STRINGS, as_header
from token_lifecycle import lifecycle

SECRET = "one-more-key-that-is-as-long-as-a-key-for-tests-has-to-be-0123456789"

pytestmark = pytest.mark.django_db


@pytest.fixture
def issued(user):
    return lifecycle.start_session(user)


@pytest.fixture
def visits():
    """An address of this machine, and who has called there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        seen, over = [], threading.Event()

        def serve():
            while not over.is_set():
                try:
                    seen.append(server.accept()[1])
                except TimeoutError:
                    continue

        listener = threading.Thread(target=serve)
        listener.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", seen
        over.set()
        listener.join()


@pytest.mark.parametrize("field", ["jku", "x5u", "kid", "jwk", "x5c", "iss"])
def test_no_address_in_a_header_is_called(api, issued, visits, field):
    address, seen = visits
    value = {"jwk": {"kty": "oct", "k": segment(b"x"), "x5u": address}, "x5c": [address]}
    header = {**HEADER, field: value.get(field, address)}
    before = rows()
    access, refresh = (reforged(t, header=header) for t in (issued.access, issued.refresh))
    api.get(WHOAMI, HTTP_AUTHORIZATION=f"Bearer {access}")
    if field != "kid":  # which names nothing where there is but one key
        assert_answer(api.post(REFRESH, {"refresh": refresh}), 401, "token_invalid")
        assert rows() == before
    assert seen == []


@pytest.mark.parametrize("ring", [True, False], ids=["ring", "one key"])
def test_a_name_of_a_key_is_looked_up_and_nothing_else(api, user, settings, ring):
    """In a ring an unknown name is refused; one key alone has no name to compare with."""
    settings.SIMPLE_JWT = {"SIGNING_KEY": SECRET}
    if ring:
        key = {"KID": "summer", "ALGORITHM": "HS256", "SIGNING_KEY": SECRET}
        settings.TOKEN_LIFECYCLE = {"SIGNING_KEYS": [key], "THROTTLE_RATES": None}
    claims = claims_of(lifecycle.start_session(user).access)

    def present(name):
        token = forge(claims, header={**HEADER, "kid": name}, key=SECRET)
        with CaptureQueriesContext(connection) as asked:
            response = api.get(WHOAMI, HTTP_AUTHORIZATION=f"Bearer {token}")
        return response.status_code, len(asked)

    assert present("summer") == (200, 1)
    for name, text in STRINGS.items():
        if len(as_header(text)) < 600:  # or the token is refused for its length
            assert present(text) == ((401, 0) if ring else (200, 1)), name
