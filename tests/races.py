"""What the workers of a race do. Each job opens with plain values and returns plain values."""

from dataclasses import dataclass

from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import DatabaseError, OperationalError, transaction
from django.utils import timezone
from rest_framework.test import APIRequestFactory

from tests.browsing import Browser
from token_lifecycle import lifecycle, tokens
from token_lifecycle.exceptions import SessionLimitReached
from token_lifecycle.models import Session
from token_lifecycle.views import RefreshView

NEW_PASSWORD = "a wholly different pass phrase"

factory = APIRequestFactory()
refresh_view = RefreshView.as_view()


class WeakHasher(PBKDF2PasswordHasher):
    """What the passwords were stored with before an upgrade."""

    iterations = 1


class StrongHasher(PBKDF2PasswordHasher):
    """The same algorithm with more iterations, as each release of Django brings."""

    iterations = 2


class SlowHasher(PBKDF2PasswordHasher):
    """Some milliseconds for each password."""

    iterations = 20_000


@dataclass(frozen=True)
class Answer:
    """What a client got."""

    status: int
    code: str
    access: str = ""
    refresh: str = ""


def refresh(token):
    """One POST to the refresh endpoint; an error that is not answered crashes the job."""
    response = refresh_view(factory.post("/auth/refresh/", {"refresh": token}, format="json"))
    return Answer(
        status=response.status_code,
        code=response.data.get("code", ""),
        access=response.data.get("access", ""),
        refresh=response.data.get("refresh", ""),
    )


def refresh_again_and_again(token, times=6):
    """A busy client: each answer's token at once becomes the next request's."""
    answers = []
    for _ in range(times):
        answers.append(refresh(token))
        if answers[-1].status != 200:
            break
        token = answers[-1].refresh
    return answers


def check_access(access):
    """Whether the access token opens a door."""
    return bool(lifecycle.check_access(tokens.parse_access(access)))


def start_session(user_id):
    """A sign-in; the refresh token, or None at the session limit."""
    try:
        return lifecycle.start_session(get_user_model().objects.get(pk=user_id)).refresh
    except SessionLimitReached:
        return None


def sign_in_with_password(username, password):
    """A sign-in as the view does it, re-hashing the password where the hasher asks for it."""
    return lifecycle.start_session(authenticate(username=username, password=password)).refresh


def sign_in_again(username, password, token):
    """A sign-in in a browser that holds a session; the status of the answer."""
    browser = Browser()
    browser.token = token
    body = {"username": username, "password": password}
    return browser.send("obtain/", body).status_code


def most_live_sessions(user_id, times=25):
    """Watch a user's sessions; the most that were ever live at a moment."""
    sessions = Session.objects.of(user_id)
    return max(sessions.live(timezone.now()).count() for _ in range(times))


def log_out_everywhere(user_id):
    return lifecycle.revoke_sessions_of(get_user_model().objects.get(pk=user_id))


def end_by_staff(user_id):
    return lifecycle.revoke_sessions(Session.objects.of(user_id))


def end_by_staff_who_searched(name):
    """By a set that joins another table."""
    return lifecycle.revoke_sessions(Session.objects.filter(user__username=name))


def change_password(user_id):
    user = get_user_model().objects.get(pk=user_id)
    user.set_password(NEW_PASSWORD)
    user.save()


def change_password_and_keep(user_id, session_id):
    """As a project's own view does it."""
    user = get_user_model().objects.get(pk=user_id)
    with lifecycle.keep_session(session_id):
        # What a password is hashed with takes its time, and others come meanwhile.
        user.password = SlowHasher().encode(NEW_PASSWORD, str(session_id))
        user.save(update_fields=["password"])


def change_password_of_somebody_and_keep(user_id, session_id):
    """The same, where the user may be deleted meanwhile."""
    try:
        change_password_and_keep(user_id, session_id)
    except OperationalError:
        raise
    except (get_user_model().DoesNotExist, DatabaseError):
        pass  # there is no row to save


def deactivate_in_a_transaction(user_id):
    user = get_user_model().objects.get(pk=user_id)
    user.is_active = False
    with transaction.atomic():
        user.save(update_fields=["is_active"])


def deactivate(user_id):
    user = get_user_model().objects.get(pk=user_id)
    user.is_active = False
    user.save()


def delete(user_id):
    get_user_model().objects.get(pk=user_id).delete()


def replace_password_unnoticed(user_id):
    """As another service or raw SQL does it: no signal."""
    get_user_model().objects.filter(pk=user_id).update(password="!")


def deactivate_unnoticed(user_id):
    get_user_model().objects.filter(pk=user_id).update(is_active=False)
