"""What every answer of the endpoints has in common, and where they are."""

import re

OBTAIN = "/auth/obtain/"
REFRESH = "/auth/refresh/"
LOGOUT = "/auth/logout/"
LOGOUT_ALL = "/auth/logout-all/"
SESSIONS = "/auth/sessions/"
NOWHERE = "/auth/sessions/0197d0a0-5f6e-7cc3-8a3b-0123456789ab/"
ALL_URLS = [OBTAIN, REFRESH, LOGOUT, LOGOUT_ALL, SESSIONS, NOWHERE]

BARE = 'Bearer realm="api"'
INVALID = 'Bearer realm="api", error="invalid_token"'


def detail(session_id):
    return f"{SESSIONS}{session_id}/"


def assert_answer(response, status, code=None):
    """JSON, a code for an error, and nobody keeps a copy."""
    assert response.status_code == status, response.content
    assert response["Cache-Control"] == "no-store"
    assert response["Pragma"] == "no-cache"
    assert {"Authorization", "Cookie"} <= set(re.split(r",\s*", response["Vary"]))
    assert "Access-Control-Allow-Origin" not in response
    if status != 204:
        assert response["Content-Type"] == "application/json"
    if code is not None:
        assert response.json()["code"] == code
        assert response.json()["detail"]


def assert_refused_bearer(response, code):
    assert_answer(response, 401, code)
    assert response["WWW-Authenticate"] == INVALID
