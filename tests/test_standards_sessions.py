"""What the standards ask of the limits of a session and no other test shows."""

from datetime import timedelta

import pytest

from tests.sign_ins import IDLE, LIFETIME, SECOND, START, stored
from token_lifecycle import lifecycle, tokens
from token_lifecycle.exceptions import SessionExpired, SessionRevoked

pytestmark = pytest.mark.django_db


def limits(issued):
    session = stored(issued)
    return session.idle_expires_at, session.expires_at


def test_activity_moves_the_idle_limit_alone_and_a_new_sign_in_begins_both(user, clock):
    """LIFE-02 (NIST SP 800-63B-4 §5.2)."""
    first = lifecycle.start_session(user)
    assert limits(first) == (START + IDLE, START + LIFETIME)
    clock.shift(timedelta(days=10))
    lifecycle.rotate(first.refresh)
    assert limits(first) == (START + timedelta(days=10) + IDLE, START + LIFETIME)
    again = lifecycle.start_session(user)
    later = START + timedelta(days=10)
    assert limits(again) == (later + IDLE, later + LIFETIME)


@pytest.mark.parametrize(
    ("limit", "refreshed"),
    [(IDLE, []), (LIFETIME, [timedelta(days=10), timedelta(days=20)])],
    ids=["idle", "overall"],
)
def test_either_limit_ends_the_session_for_both_kinds_of_token(user, clock, limit, refreshed):
    """LIFE-02: and the access token, too, which was good until that very moment."""
    issued = lifecycle.start_session(user)
    for after in refreshed:
        clock.move_to(START + after, tick=False)
        issued = lifecycle.rotate(issued.refresh)
    clock.move_to(START + limit - SECOND, tick=False)
    claims = tokens.parse_access(issued.access, any_age=True)
    assert lifecycle.check_access(claims)
    clock.move_to(START + limit, tick=False)
    with pytest.raises(SessionExpired):
        lifecycle.rotate(issued.refresh)
    with pytest.raises(SessionRevoked):
        lifecycle.check_access(claims)
