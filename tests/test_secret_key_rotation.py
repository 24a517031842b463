"""Replacing ``SECRET_KEY`` while people are signed in; the tokens have a key of their own."""

from datetime import timedelta

import pytest
from django.db import OperationalError

from token_lifecycle import lifecycle
from token_lifecycle.exceptions import PasswordChanged
from token_lifecycle.managers import SessionQuerySet
from token_lifecycle.models import Session
from token_lifecycle.testing import PASSWORD

OLD, NEW = (f"{name}-key-0123456789abcdef0123456789abcdef" for name in ("old", "new"))

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_signing_key(settings):
    settings.SIMPLE_JWT = {"SIGNING_KEY": "a-signing-key-0123456789abcdef0123456789abcdef"}
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = OLD, []


def replace(settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]


def test_a_session_refreshed_while_the_old_key_was_a_fallback_survives_its_removal(settings, user):
    issued = lifecycle.start_session(user)
    replace(settings)
    issued = lifecycle.rotate(issued.refresh)
    settings.SECRET_KEY_FALLBACKS = []
    assert lifecycle.rotate(issued.refresh).session.generation == 3


def test_a_session_that_was_not_refreshed_meanwhile_ends_with_the_old_key(settings, user):
    issued = lifecycle.start_session(user)
    replace(settings)
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(PasswordChanged):
        lifecycle.rotate(issued.refresh)


def test_the_new_binding_is_written_once(settings, user, django_assert_num_queries):
    issued = lifecycle.start_session(user)
    replace(settings)
    with django_assert_num_queries(3):
        issued = lifecycle.rotate(issued.refresh)
    with django_assert_num_queries(2):
        lifecycle.rotate(issued.refresh)


def test_the_new_binding_does_not_hide_a_password_change(settings, user):
    issued = lifecycle.start_session(user)
    replace(settings)
    issued = lifecycle.rotate(issued.refresh)
    user.set_password(f"not {PASSWORD}")
    type(user).objects.filter(pk=user.pk).update(password=user.password)
    with pytest.raises(PasswordChanged):
        lifecycle.rotate(issued.refresh)


def test_a_binding_made_by_somebody_else_meanwhile_is_left_alone(settings, user, monkeypatch):
    issued = lifecycle.start_session(user)
    replace(settings)
    claim = Session.objects.claim

    def claim_and_be_overtaken(session_id, **values):
        claimed = claim(session_id, **values)
        Session.objects.filter(pk=session_id).rebind("bound by a password change")
        return claimed

    monkeypatch.setattr(Session.objects, "claim", claim_and_be_overtaken)
    lifecycle.rotate(issued.refresh)
    assert Session.objects.get().auth_hash == "bound by a password change"


@pytest.mark.parametrize("grace", [timedelta(0), timedelta(seconds=10)])
def test_a_refresh_that_cannot_be_bound_to_the_new_key_is_answered_all_the_same(
    user, settings, monkeypatch, caplog, options, grace
):
    options(REUSE_GRACE_PERIOD=grace)
    issued = lifecycle.start_session(user)
    replace(settings)

    def lose(*args, **kwargs):
        raise OperationalError(1213, "Deadlock found when trying to get lock")

    with monkeypatch.context() as patch:
        patch.setattr(SessionQuerySet, "rebind", lose)
        rotated = lifecycle.rotate(issued.refresh)
    assert "not bound to the newest SECRET_KEY yet" in caplog.text
    again = lifecycle.rotate(rotated.refresh)
    settings.SECRET_KEY_FALLBACKS = []
    assert lifecycle.rotate(again.refresh).session.generation == 4
