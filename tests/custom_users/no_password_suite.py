"""A session's life where users have no password.

Run by ``tests/test_custom_users.py``, in a process of its own.
"""

from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command

from token_lifecycle import lifecycle
from token_lifecycle.exceptions import SessionRevoked
from token_lifecycle.models import RevocationReason

pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return get_user_model().objects.create(name="anna")


def test_no_migration_is_missing():
    call_command("makemigrations", "--check", "--dry-run", stdout=StringIO())


def test_sign_ins_are_counted_and_refreshed(user, options):
    options(MAX_SESSIONS_PER_USER=1)
    first = lifecycle.start_session(user)
    second = lifecycle.start_session(user)
    with pytest.raises(SessionRevoked):
        lifecycle.rotate(first.refresh)
    assert lifecycle.rotate(second.refresh).session.generation == 2


def test_a_session_can_be_kept_and_ends_with_its_user(user):
    session = lifecycle.start_session(user).session
    with lifecycle.keep_session(session.pk):
        user.save()
    session.refresh_from_db()
    assert session.revoked_at is None
    user.delete()
    session.refresh_from_db()
    assert session.revocation_reason == RevocationReason.USER_DELETED
