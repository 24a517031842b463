"""What may happen to a session between two requests of its client."""

from datetime import timedelta

from django.contrib.auth import get_user_model

from token_lifecycle import lifecycle
from token_lifecycle.models import Session


def ended(session):
    lifecycle.revoke_session(session.pk)


def logged_out_everywhere(session):
    lifecycle.revoke_sessions_of(session.user)


def killed(session):
    lifecycle.revoke_sessions(Session.objects.filter(pk=session.pk))


def signed_out_with_everybody(session):
    lifecycle.revoke_everybody()


def signed_out_with_everybody_and_told(session):
    lifecycle.revoke_everybody()
    lifecycle.sweep()


def given_a_password(session):
    session.user.set_password("new")
    session.user.save()


def given_a_password_unseen(session):
    get_user_model().objects.filter(pk=session.user_id).update(password="!")


def deactivated(session):
    session.user.is_active = False
    session.user.save()


def deactivated_unseen(session):
    get_user_model().objects.filter(pk=session.user_id).update(is_active=False)


def reactivated(session):
    deactivated(session)
    session.user.is_active = True
    session.user.save()


def deleted(session):
    session.user.delete()


def removed(session):
    Session.objects.filter(pk=session.pk).delete()


def at_its_end(session):
    past = session.created_at - timedelta(seconds=1)
    Session.objects.filter(pk=session.pk).update(expires_at=past, idle_expires_at=past)


def idle(session):
    past = session.created_at - timedelta(seconds=1)
    Session.objects.filter(pk=session.pk).update(idle_expires_at=past)


def used_long_ago(session):
    long_ago = session.created_at - timedelta(hours=1)
    Session.objects.filter(pk=session.pk).update(
        generation=2, rotated_at=long_ago, burst_started_at=long_ago
    )


def used_in_a_burst(session):
    Session.objects.filter(pk=session.pk).update(generation=4)


#: And the code with which its refresh token is refused afterwards.
REFUSED = [
    (ended, "session_revoked"),
    (logged_out_everywhere, "session_revoked"),
    (killed, "session_revoked"),
    (signed_out_with_everybody, "session_revoked"),
    (signed_out_with_everybody_and_told, "session_revoked"),
    (given_a_password, "session_revoked"),
    (given_a_password_unseen, "password_changed"),
    (deactivated, "session_revoked"),
    (deactivated_unseen, "user_inactive"),
    (reactivated, "session_revoked"),
    (deleted, "session_revoked"),
    (removed, "token_invalid"),
    (at_its_end, "session_expired"),
    (idle, "session_expired"),
    (used_long_ago, "token_reused"),
    (used_in_a_burst, "token_superseded"),
]
