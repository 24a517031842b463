"""Random lives of sessions, compared step by step with a model that knows no database.

The model keeps the whole history of a session and derives every answer from it; the code keeps a
handful of columns. Where they differ, one of them is wrong.
"""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.hashers import make_password
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from token_lifecycle import lifecycle
from token_lifecycle.exceptions import TokenExpired, TokenRefused, UserInactive
from token_lifecycle.models import Session, SessionEvent
from token_lifecycle.testing import UserFactory

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
GRACE = timedelta(seconds=10)
LIFETIME = timedelta(days=30)
IDLE = timedelta(days=14)
RETENTION = timedelta(days=30)
LIMIT = 4
SECOND = timedelta(seconds=1)

#: In CI always the same lives; elsewhere new ones each time. ``LIVES`` asks for more of them.
PROFILE = settings(
    max_examples=int(os.environ.get("LIVES", "20")),
    stateful_step_count=60,
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=list(HealthCheck),
)

#: Around every boundary of the rule, in whole seconds as the tokens have them.
SHORT = [timedelta(seconds=s) for s in (0, 1, 2, 3, 4, 5, 9, 10, 11, 25)]
LONG = [timedelta(hours=h) for h in (1, 5, 24)]
LONG += [timedelta(days=6), IDLE - SECOND, IDLE, LIFETIME]


@dataclass
class Life:
    """What a session has been through."""

    started_at: datetime
    password: int
    """Which password of the user it was started with."""
    #: texts[n] is the refresh token of generation n + 1.
    texts: list[str]
    #: consumed_at[n] is when the token of generation n + 1 was exchanged.
    consumed_at: list[datetime] = field(default_factory=list)
    ended_for: str = ""
    ended_at: datetime | None = None

    @property
    def last_used_at(self):
        return self.consumed_at[-1] if self.consumed_at else self.started_at

    def is_over(self, now):
        return now >= min(self.started_at + LIFETIME, self.last_used_at + IDLE)

    def is_live(self, now):
        return not self.ended_for and not self.is_over(now)

    def end(self, reason, now):
        if self.is_live(now):
            self.ended_for, self.ended_at = reason, now

    def is_removable(self, now):
        over_since = self.ended_at or self.started_at + LIFETIME
        return over_since < now - RETENTION

    def bursts(self):
        """The exchanges in groups: each group's first begins its clock of one grace."""
        groups = [(self.started_at, [])]
        for generation, at in enumerate(self.consumed_at, start=1):
            if at - groups[-1][0] > GRACE:
                groups.append((at, []))
            groups[-1][1].append(generation)
        return groups

    def answer(self, generation, now, *, active, password):
        """The code with which a token is refused, "rotated" or "retried"."""
        current = len(self.texts)
        if self.ended_for:
            return "session_revoked"
        if self.is_over(now):
            return "session_expired"
        if not active:
            return "user_inactive"
        if self.password != password:
            return "password_changed"
        if generation == current:
            return "rotated"
        if generation == current - 1 and now - self.last_used_at <= GRACE:
            return "retried"
        began_at, members = self.bursts()[-1]
        if generation in members and now - began_at <= GRACE:
            return "token_superseded"
        return "token_reused"


class Lives(RuleBasedStateMachine):
    """One user, their sessions, the clock, and everybody who may end a session."""

    @initialize()
    def begin(self):
        self.travel = time_machine.travel(START, tick=False)
        self.clock = self.travel.start()
        self.now = START
        self.user = UserFactory()
        self.active, self.password = True, 0
        self.lives = {}
        self.removed = []
        self.sign_ins = 0

    def teardown(self):
        if hasattr(self, "travel"):
            self.travel.stop()
            Session.objects.all().delete()
            SessionEvent.objects.all().delete()
            self.user.delete()

    # What time does

    @rule(step=st.sampled_from(SHORT))
    def time_passes(self, step):
        self.wait(step)

    @rule(step=st.sampled_from(LONG), prune=st.booleans())
    def much_time_passes(self, step, prune):
        self.wait(step)
        if not prune:
            return
        removable = [key for key, life in self.lives.items() if life.is_removable(self.now)]
        assert lifecycle.prune(batch_size=2).sessions == len(removable)
        self.removed += [self.lives.pop(key) for key in removable]

    # What clients do

    @rule()
    def sign_in(self):
        self.user.refresh_from_db()
        if not self.active:
            with pytest.raises(UserInactive):
                lifecycle.start_session(self.user)
            return
        live = [life for life in self.lives.values() if life.is_live(self.now)]
        issued = lifecycle.start_session(self.user)
        live.sort(key=lambda life: life.started_at)
        for oldest in live[: max(0, len(live) - LIMIT + 1)]:
            oldest.end("session_limit", self.now)
        self.lives[issued.session.pk] = Life(self.now, self.password, [issued.refresh])
        self.sign_ins += 1
        self.wait(SECOND)  # of two sessions of one moment neither is the older

    @precondition(lambda self: self.lives)
    @rule(data=st.data(), times=st.integers(1, 4))
    def refresh(self, data, times):
        life = self.choose(data)
        for _ in range(times):
            self.present(life, len(life.texts))

    @precondition(lambda self: self.lives)
    @rule(data=st.data(), age=st.integers(1, 5))
    def present_an_old_token(self, data, age):
        """A second tab, a lost answer, a late retry or a thief: the token does not tell."""
        life = self.choose(data)
        self.present(life, max(1, len(life.texts) - age))

    @precondition(lambda self: self.lives)
    @rule(data=st.data(), rotations=st.integers(1, 4), pause=st.sampled_from(SHORT))
    def two_hold_one_token(self, data, rotations, pause):
        """A thief goes on with it, now and then; after that its owner presents it."""
        life = self.choose(data)
        shared = len(life.texts)
        for _ in range(rotations):
            self.present(life, len(life.texts))
            self.wait(pause)
        self.present(life, shared)

    @precondition(lambda self: self.removed)
    @rule(data=st.data())
    def present_a_token_of_a_session_that_is_forgotten(self, data):
        life = data.draw(st.sampled_from(self.removed))
        with pytest.raises(TokenExpired):
            lifecycle.rotate(data.draw(st.sampled_from(life.texts)))

    def present(self, life, generation):
        expected = life.answer(generation, self.now, active=self.active, password=self.password)
        text = life.texts[generation - 1]
        if expected in {"rotated", "retried"}:
            issued = lifecycle.rotate(text)
            if expected == "rotated":
                life.texts.append(issued.refresh)
                life.consumed_at.append(self.now)
            # One line: whoever presented it, the successor is the one that the model knows.
            assert issued.refresh == life.texts[generation]
            assert issued.refresh_expires_at <= life.started_at + LIFETIME
            return
        with pytest.raises(TokenRefused) as refused:
            lifecycle.rotate(text)
        assert refused.value.code == expected
        ends = {
            "token_reused": "reuse_detected",
            "password_changed": "password_change",
            "user_inactive": "user_deactivated",
        }
        if expected in ends:
            life.end(ends[expected], self.now)

    # What ends sessions

    @precondition(lambda self: self.lives)
    @rule(data=st.data(), how=st.sampled_from(["log_out", "log_out_everywhere", "staff_end_one"]))
    def sessions_are_ended(self, data, how):
        getattr(self, how)(data)

    def log_out(self, data):
        life = self.choose(data)
        text = data.draw(st.sampled_from(life.texts))
        assert lifecycle.revoke_by_token(text) == life.is_live(self.now)
        life.end("logout", self.now)

    def log_out_everywhere(self, data):
        kept = data.draw(st.sampled_from([None, *sorted(self.lives)]))
        ended = [key for key, life in self.lives.items() if life.is_live(self.now) and key != kept]
        assert lifecycle.revoke_sessions_of(self.user, keep=kept) == len(ended)
        for key in ended:
            self.lives[key].end("logout_all", self.now)

    def staff_end_one(self, data):
        key = data.draw(st.sampled_from(sorted(self.lives)))
        lifecycle.revoke_sessions(Session.objects.filter(pk=key))
        self.lives[key].end("admin", self.now)

    # What happens to the user

    @precondition(lambda self: self.lives)
    @rule(data=st.data(), how=st.sampled_from(["changes", "silently", "keeping", "activity"]))
    def the_user_is_changed(self, data, how):
        self.user.refresh_from_db()
        {
            "changes": self.change_password,
            "silently": self.change_password_silently,
            "keeping": self.change_password_and_keep_a_session,
            "activity": self.activate_or_deactivate,
        }[how](data)

    def change_password(self, data):
        self.password += 1
        self.user.set_password(f"pass phrase {self.password}")
        self.user.save()
        self.end_what_saving_the_user_ends()

    def change_password_silently(self, data):
        self.password += 1
        self.users().update(password=make_password(f"pass phrase {self.password}"))

    def change_password_and_keep_a_session(self, data):
        key = data.draw(st.sampled_from(sorted(self.lives)))
        kept = self.lives[key]
        survives = kept.is_live(self.now) and kept.password == self.password and self.active
        with lifecycle.keep_session(key):
            self.user.set_password("another pass phrase")
            self.user.save()
        self.password += 1
        if survives:
            kept.password = self.password
        self.end_what_saving_the_user_ends()

    def activate_or_deactivate(self, data):
        self.active = not self.active
        if data.draw(st.booleans()):
            self.users().update(is_active=self.active)
        else:
            self.user.is_active = self.active
            self.user.save()
            self.end_what_saving_the_user_ends()

    def end_what_saving_the_user_ends(self):
        for life in self.lives.values():
            if not self.active:
                life.end("user_deactivated", self.now)
            elif life.password != self.password:
                life.end("password_change", self.now)

    # What always holds

    @invariant()
    def every_row_is_what_the_model_says(self):
        rows = {row.pk: row for row in Session.objects.all()}
        assert rows.keys() == self.lives.keys()
        assert len(rows) == self.sign_ins - len(self.removed)
        for key, life in self.lives.items():
            row = rows[key]
            assert row.generation == len(life.texts)
            assert (row.revocation_reason, row.revoked_at) == (life.ended_for, life.ended_at)
            assert row.expires_at == life.started_at + LIFETIME
            assert row.is_live(self.now) == life.is_live(self.now)

    @invariant()
    def the_limit_is_kept(self):
        assert sum(life.is_live(self.now) for life in self.lives.values()) <= LIMIT

    # Helpers

    def wait(self, step):
        self.now += step
        self.clock.move_to(self.now, tick=False)

    def choose(self, data):
        """A life, and mostly one that goes on: the dead all answer alike."""
        live = [key for key in sorted(self.lives) if self.lives[key].is_live(self.now)]
        if not live or data.draw(st.integers(0, 9)) == 9:
            live = sorted(self.lives)
        return self.lives[data.draw(st.sampled_from(live))]

    def users(self):
        return type(self.user).objects.filter(pk=self.user.pk)


@pytest.mark.django_db
def test_every_session_lives_as_the_model_says(settings):
    settings.TOKEN_LIFECYCLE = {"MAX_SESSIONS_PER_USER": LIMIT, "REUSE_GRACE_PERIOD": GRACE}
    run_state_machine_as_test(Lives, settings=PROFILE)
