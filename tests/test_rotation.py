"""The refresh rule, row by row and at each boundary. Pure: no database, no clock."""

from datetime import UTC, datetime, timedelta

import pytest

from token_lifecycle.rotation import Burst, SessionState, Verdict, burst_after, elapsed, judge

GRACE = timedelta(seconds=10)
TICK = timedelta(microseconds=1)
SIGN_IN = datetime(2026, 3, 1, 12, tzinfo=UTC)
#: The last rotation: it consumed generation 4 and began a burst.
ROTATED = SIGN_IN + timedelta(hours=1)
IDLE = ROTATED + timedelta(days=14)
END = SIGN_IN + timedelta(days=30)


def state(**changes):
    """A session at generation 5; ``changes`` are the columns a test is about."""
    columns = {
        "generation": 5,
        "rotated_at": ROTATED,
        "burst_generation": 4,
        "burst_started_at": ROTATED,
        "expires_at": END,
        "idle_expires_at": IDLE,
        "revoked_at": None,
        "user_active": True,
        "password_matches": True,
    }
    return SessionState(**{**columns, **changes})


def verdict(session, *, generation=5, at=ROTATED, token_expired=False, grace=GRACE):
    return judge(session, generation=generation, token_expired=token_expired, now=at, grace=grace)


@pytest.mark.parametrize("age", [timedelta(0), GRACE, timedelta(hours=5), timedelta(days=13)])
def test_the_current_token_is_rotated_whatever_its_age(age):
    assert verdict(state(), at=ROTATED + age) is Verdict.ROTATE


@pytest.mark.parametrize("generation", [6, 7, 2**31 - 2])
def test_a_token_newer_than_the_row_makes_the_row_catch_up(generation):
    assert verdict(state(), generation=generation) is Verdict.CATCH_UP


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(0), Verdict.RETRY),
        (GRACE - TICK, Verdict.RETRY),
        (GRACE, Verdict.RETRY),
        (GRACE + TICK, Verdict.REUSE),
        (timedelta(days=13), Verdict.REUSE),
    ],
)
def test_the_preceding_token_is_a_retry_up_to_the_end_of_grace_and_reuse_after_it(age, expected):
    assert verdict(state(), generation=4, at=ROTATED + age) is expected


@pytest.mark.parametrize("back", [TICK, timedelta(seconds=5), timedelta(hours=1)])
def test_a_clock_stepped_back_makes_no_reuse_of_a_retry(back):
    assert verdict(state(), generation=4, at=ROTATED - back) is Verdict.RETRY


def test_a_clock_stepped_back_still_lets_the_current_token_rotate():
    assert verdict(state(), at=ROTATED - timedelta(hours=3)) is Verdict.ROTATE


#: Generations 5, 6 and 7 were consumed in one burst; the row is at 8.
BUSY = {
    "generation": 8,
    "burst_generation": 5,
    "burst_started_at": ROTATED - timedelta(seconds=6),
    "rotated_at": ROTATED,
}


@pytest.mark.parametrize(
    ("generation", "expected"),
    [
        (7, Verdict.RETRY),
        (6, Verdict.SUPERSEDED),
        (5, Verdict.SUPERSEDED),
        (4, Verdict.REUSE),
        (1, Verdict.REUSE),
    ],
)
def test_within_a_burst_only_what_the_burst_consumed_is_superseded(generation, expected):
    assert verdict(state(**BUSY), generation=generation) is expected


@pytest.mark.parametrize(
    ("since_start", "expected"),
    [
        (GRACE - TICK, Verdict.SUPERSEDED),
        (GRACE, Verdict.SUPERSEDED),
        (GRACE + TICK, Verdict.REUSE),
        (timedelta(minutes=5), Verdict.REUSE),
    ],
)
def test_a_straggler_is_superseded_for_one_grace_from_the_start_of_the_burst(since_start, expected):
    now = BUSY["burst_started_at"] + since_start
    assert verdict(state(**BUSY), generation=6, at=now) is expected


def test_the_start_of_the_burst_counts_and_not_the_last_rotation():
    session = state(**BUSY | {"rotated_at": ROTATED + timedelta(seconds=7)})
    after_the_burst = ROTATED + timedelta(seconds=8)
    assert verdict(session, generation=6, at=after_the_burst) is Verdict.REUSE
    assert verdict(session, generation=7, at=after_the_burst) is Verdict.RETRY


def test_the_preceding_token_of_an_old_burst_still_has_a_grace_of_its_own():
    session = state(**BUSY | {"burst_started_at": ROTATED - timedelta(seconds=9)})
    now = ROTATED + timedelta(seconds=9)
    assert verdict(session, generation=7, at=now) is Verdict.RETRY


def test_a_straggler_is_superseded_when_the_clock_was_stepped_back():
    now = BUSY["burst_started_at"] - timedelta(hours=1)
    assert verdict(state(**BUSY), generation=6, at=now) is Verdict.SUPERSEDED


@pytest.mark.parametrize("generation", [1, 3, 4])
@pytest.mark.parametrize("age", [timedelta(0), TICK, -timedelta(hours=1)])
@pytest.mark.parametrize("grace", [timedelta(0), -TICK])
def test_without_a_grace_every_consumed_token_is_reuse_at_once(generation, age, grace):
    session = state(burst_generation=1)
    assert verdict(session, generation=generation, at=ROTATED + age, grace=grace) is Verdict.REUSE


def test_without_a_grace_the_current_token_rotates_and_a_newer_one_catches_up():
    assert verdict(state(), grace=timedelta(0)) is Verdict.ROTATE
    assert verdict(state(), generation=6, grace=timedelta(0)) is Verdict.CATCH_UP


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"revoked_at": ROTATED}, Verdict.REVOKED),
        ({"expires_at": ROTATED}, Verdict.SESSION_EXPIRED),
        ({"idle_expires_at": ROTATED}, Verdict.SESSION_EXPIRED),
        ({"user_active": False}, Verdict.USER_INACTIVE),
        ({"password_matches": False}, Verdict.PASSWORD_CHANGED),
    ],
)
@pytest.mark.parametrize("generation", [1, 4, 5, 6])
def test_a_dead_session_is_refused_for_what_killed_it_whatever_the_token(
    changes, expected, generation
):
    assert verdict(state(**changes), generation=generation) is expected


@pytest.mark.parametrize("limit", ["expires_at", "idle_expires_at"])
def test_a_limit_is_passed_at_its_very_moment_and_not_before(limit):
    session = state(**{limit: ROTATED + GRACE})
    assert verdict(session, at=ROTATED + GRACE - TICK) is Verdict.ROTATE
    assert verdict(session, at=ROTATED + GRACE) is Verdict.SESSION_EXPIRED


def test_the_first_of_several_ends_is_named():
    """Ended, then a limit, then the user, then the password: so repeats of a refusal agree."""
    ends = {
        Verdict.REVOKED: {"revoked_at": ROTATED},
        Verdict.SESSION_EXPIRED: {"expires_at": ROTATED},
        Verdict.USER_INACTIVE: {"user_active": False},
        Verdict.PASSWORD_CHANGED: {"password_matches": False},
    }
    order = list(ends)
    for position, expected in enumerate(order):
        changes = {}
        for later in order[position:]:
            changes |= ends[later]
        assert verdict(state(**changes), generation=1) is expected


def test_the_expiry_of_a_token_does_not_hide_that_it_was_consumed():
    long_after = ROTATED + timedelta(days=2)
    assert verdict(state(), generation=4, at=long_after, token_expired=True) is Verdict.REUSE


@pytest.mark.parametrize("generation", [5, 6])
def test_an_expired_token_that_was_not_consumed_is_only_expired(generation):
    assert verdict(state(), generation=generation, token_expired=True) is Verdict.TOKEN_EXPIRED


def test_the_retry_of_a_token_that_expired_meanwhile_gets_its_successor():
    assert verdict(state(), generation=4, token_expired=True) is Verdict.RETRY


@pytest.mark.parametrize(
    ("since_start", "expected"),
    [
        (timedelta(0), Burst(4, ROTATED)),
        (GRACE, Burst(4, ROTATED)),
        (GRACE + TICK, Burst(5, ROTATED + GRACE + TICK)),
        (timedelta(days=1), Burst(5, ROTATED + timedelta(days=1))),
        (-TICK, Burst(5, ROTATED - TICK)),
    ],
)
def test_a_rotation_joins_the_burst_of_the_last_grace_or_begins_one(since_start, expected):
    now = ROTATED + since_start
    assert burst_after(state(), consumed=5, now=now, grace=GRACE) == expected


def test_time_since_is_never_negative():
    assert elapsed(ROTATED, ROTATED + GRACE) == GRACE
    assert elapsed(ROTATED, ROTATED - GRACE) == timedelta(0)


def rotate(session, *, consumed, at):
    """The row after a rotation, as the claim writes it."""
    burst = burst_after(session, consumed=consumed, now=at, grace=GRACE)
    return state(
        generation=consumed + 1,
        rotated_at=at,
        burst_generation=burst.generation,
        burst_started_at=burst.started_at,
    )


@pytest.mark.parametrize("pause", [1, 2, 3, 5, 9, 10, 11])
def test_a_thief_who_rotates_every_few_seconds_is_found_out(pause):
    """The victim tries the stolen token now and then; it is not superseded for ever."""
    session, answers = state(), []
    for step in range(1, 40):
        at = ROTATED + timedelta(seconds=60 + pause * step)
        session = rotate(session, consumed=session.generation, at=at)
        victim_tries_at = at + timedelta(seconds=pause / 2)
        answers.append((verdict(session, generation=5, at=victim_tries_at), victim_tries_at))
    stolen_at = ROTATED + timedelta(seconds=60 + pause)
    for answer, tried_at in answers:
        if tried_at - stolen_at > GRACE:
            assert answer is Verdict.REUSE
        else:
            assert answer in {Verdict.RETRY, Verdict.SUPERSEDED}


def test_a_busy_client_whose_tabs_rotate_in_a_row_loses_nothing():
    """Five tabs rotate one after the other within grace; the slowest holds the first token."""
    session = state()
    for step in range(5):
        session = rotate(session, consumed=session.generation, at=ROTATED + step * GRACE / 5)
    for generation in range(5, session.generation - 1):
        assert verdict(session, generation=generation, at=ROTATED + GRACE) is Verdict.SUPERSEDED
