"""The whole life of a session with the user model that the settings name.

Run by ``tests/test_custom_users.py``, in a process of its own for each model.
"""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import authenticate, get_user_model
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.custom_users.models import Account, Chief, Customer, Guest, Member
from token_lifecycle import binding, lifecycle, tokens
from token_lifecycle.exceptions import TokenExpired, TokenInvalid, TokenRefused, UserInactive
from token_lifecycle.models import RevocationReason, Session, SessionEvent
from token_lifecycle.testing import PASSWORD, SessionFactory, UserFactory, authorization
from token_lifecycle.trail import Format, export

User = get_user_model()

pytestmark = pytest.mark.django_db


def only(*models):
    """Tests about some of the models do not exist for the others, which have nothing to skip."""
    return lambda test: test if User in models else None


members_only, accounts_only, customers_only = only(Member), only(Account), only(Customer)
derived_only = only(Guest, Chief)


@pytest.fixture
def issued(user):
    return lifecycle.start_session(user)


def stored(issued):
    return Session.objects.get(pk=issued.session.pk)


def is_live(issued):
    """Whether it refreshes and opens a door; the two have to agree."""
    works = []
    for use in (refresh, open_a_door):
        try:
            use(issued)
        except TokenRefused:
            works.append(False)
        else:
            works.append(True)
    assert works[0] == works[1]
    return works[0]


def refresh(issued):
    return lifecycle.rotate(issued.refresh)


def open_a_door(issued):
    return lifecycle.check_access(tokens.parse_access(issued.access))


def test_no_migration_is_missing():
    call_command("makemigrations", "--check", "--dry-run", stdout=StringIO())


def test_a_life_over_http(api, user):
    credentials = {User.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    signed_in = api.post("/auth/obtain/", credentials).json()
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {signed_in['access']}"}
    assert api.get("/whoami/", **bearer).json() == {"user": str(user.pk)}
    assert api.get("/auth/sessions/", **bearer).json()["results"][0]["current"] is True
    refreshed = api.post("/auth/refresh/", {"refresh": signed_in["refresh"]}).json()
    assert refreshed["session"] == signed_in["session"]
    assert api.post("/auth/logout-all/", {}, **bearer).json() == {"revoked": 1}
    assert api.get("/whoami/", **bearer).status_code == 401
    answer = api.post("/auth/refresh/", {"refresh": refreshed["refresh"]})
    assert answer.json()["code"] == "session_revoked"
    event = SessionEvent.objects.get(kind="revoked")
    assert (event.user, event.actor) == (user, user)


@pytest.mark.parametrize("field", ["pk", User.USERNAME_FIELD])
@pytest.mark.parametrize("check", ["database", "none"])
def test_the_user_id_claim_may_be_any_field(api, user, settings, field, check):
    settings.SIMPLE_JWT = {"USER_ID_FIELD": field}
    settings.TOKEN_LIFECYCLE = {**settings.TOKEN_LIFECYCLE, "REVOCATION_CHECK": check}
    issued = lifecycle.rotate(lifecycle.start_session(user).refresh)
    assert tokens.parse_access(issued.access).user_id == str(getattr(user, field))
    answer = api.get("/whoami/", **authorization(issued))
    assert answer.json() == {"user": str(user.pk)}


@pytest.mark.parametrize("check", ["database", "none"])
@pytest.mark.parametrize(
    "bend", [str.upper, lambda key: key + " ", lambda key: "{" + key + "}", lambda key: "x" * 255]
)
def test_a_user_id_that_would_have_to_be_bent_is_refused(api, user, settings, check, bend):
    settings.TOKEN_LIFECYCLE = {**settings.TOKEN_LIFECYCLE, "REVOCATION_CHECK": check}
    issued = lifecycle.start_session(user)
    parts = {"session_id": issued.session.pk, "user_id": bend(str(user.pk))}
    times = {"issued_at": issued.issued_at, "expires_at": issued.access_expires_at}
    access = tokens.mint_access(**parts, **times, auth_time=issued.issued_at)
    answer = api.get("/whoami/", HTTP_AUTHORIZATION=f"Bearer {access}")
    assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")
    secret = tokens.parse_refresh(issued.refresh, now=timezone.now()).secret
    refresh = tokens.mint_refresh(**parts, **times, generation=1, secret=secret)
    with pytest.raises(TokenInvalid):
        lifecycle.rotate(refresh)


def test_a_rotation_stays_two_statements(issued):
    with CaptureQueriesContext(connection) as captured:
        lifecycle.rotate(issued.refresh)
    assert [q["sql"].split()[0] for q in captured.captured_queries] == ["SELECT", "UPDATE"]


def test_an_access_check_stays_one_statement(issued, django_assert_num_queries):
    claims = tokens.parse_access(issued.access)
    with django_assert_num_queries(1):
        assert lifecycle.check_access(claims).user.get_username()


def change(user):
    user.set_password("another pass phrase")
    user.save()


def change_silently(user):
    user.set_password("another pass phrase")
    User.objects.filter(pk=user.pk).update(password=user.password)


@pytest.mark.parametrize("how", [change, change_silently])
def test_a_password_change_ends_all_sessions_but_the_kept_one(user, issued, how):
    kept = lifecycle.start_session(user)
    with lifecycle.keep_session(kept.session.pk):
        how(user)
    assert is_live(kept)
    assert not is_live(issued)
    assert stored(issued).revocation_reason == RevocationReason.PASSWORD_CHANGE


def test_a_re_hash_logs_nobody_out(user, settings):
    settings.PASSWORD_HASHERS = ["tests.races.StrongHasher", *settings.PASSWORD_HASHERS]
    issued = lifecycle.start_session(user)
    signed_in = authenticate(**{User.USERNAME_FIELD: user.get_username(), "password": PASSWORD})
    assert signed_in.password != user.password
    assert is_live(issued)
    assert is_live(lifecycle.start_session(signed_in))


def test_a_deleted_user_leaves_an_ended_session(user, issued):
    user.delete()
    session = stored(issued)
    assert (session.user, session.revocation_reason) == (None, RevocationReason.USER_DELETED)
    assert not is_live(issued)


def test_the_session_limit_holds(user, settings):
    settings.TOKEN_LIFECYCLE = {"MAX_SESSIONS_PER_USER": 2}
    issued = [lifecycle.start_session(user) for _ in range(3)]
    assert [is_live(each) for each in issued].count(True) == 2


def test_sessions_are_pruned():
    SessionFactory(expires_at=timezone.now() - timedelta(days=40))
    assert lifecycle.prune().sessions == 1


def test_an_old_token_of_a_removed_session_is_told_from_a_forged_one(issued):
    Session.objects.all().delete()
    with pytest.raises(TokenExpired):
        lifecycle.rotate(issued.refresh, now=timezone.now() + timedelta(days=20))


# A property for activity


def leave(user, **options):
    user.left_at = timezone.now()
    user.save(**options)


@members_only
@pytest.mark.parametrize("options", [{}, {"update_fields": ["left_at"]}])
def test_who_leaves_is_out_at_once_and_for_good(user, issued, options):
    leave(user, **options)
    assert stored(issued).revocation_reason == RevocationReason.USER_DEACTIVATED
    user.left_at = None
    user.save()
    assert not is_live(issued)


@members_only
def test_who_leaves_silently_is_found_out(user, issued):
    User.objects.update(left_at=timezone.now())
    for use in (open_a_door, refresh):
        with pytest.raises(UserInactive):
            use(issued)


@members_only
def test_a_model_whose_activity_is_worked_out_is_read_whole():
    assert binding.needed_columns(Member, "pk") is None


# Subclasses of the user model


@members_only
@pytest.mark.parametrize("kind", [Guest, Chief])
def test_a_change_to_an_instance_of_a_subclass_is_a_change_to_the_user(kind):
    user = kind(email="boss@example.com")
    change(user)
    first = lifecycle.start_session(user)
    change(kind.objects.get(pk=user.pk))
    assert stored(first).revocation_reason == RevocationReason.PASSWORD_CHANGE
    user = kind.objects.get(pk=user.pk)
    second = lifecycle.start_session(user)
    leave(kind.objects.get(pk=user.pk), update_fields=["left_at"])
    assert stored(second).revocation_reason == RevocationReason.USER_DEACTIVATED
    user.delete()
    assert stored(second).user is None


@members_only
def test_a_subclass_re_hashes_without_harm(settings):
    user = Chief(email="boss@example.com")
    user.set_password(PASSWORD)
    user.save()
    issued = lifecycle.start_session(user)
    settings.PASSWORD_HASHERS = ["tests.races.StrongHasher", *settings.PASSWORD_HASHERS]
    assert Chief.objects.get(pk=user.pk).check_password(PASSWORD)
    assert is_live(issued)


# A user model that has its columns from another one


@derived_only
def test_a_password_that_is_changed_on_the_concrete_model_ends_sessions(user, issued):
    change(Member.objects.get(pk=user.pk))
    assert stored(issued).revocation_reason == RevocationReason.PASSWORD_CHANGE


@derived_only
@pytest.mark.parametrize("options", [{}, {"update_fields": ["left_at"]}])
def test_who_leaves_by_the_concrete_model_is_out_at_once(user, issued, options):
    leave(Member.objects.get(pk=user.pk), **options)
    assert stored(issued).revocation_reason == RevocationReason.USER_DEACTIVATED


@derived_only
def test_who_is_deleted_by_the_concrete_model_leaves_an_ended_session(user, issued):
    Member.objects.get(pk=user.pk).delete()
    session = stored(issued)
    assert (session.user, session.revocation_reason) == (None, RevocationReason.USER_DELETED)


@derived_only
def test_a_re_hash_by_the_concrete_model_logs_nobody_out(user, issued, settings):
    settings.PASSWORD_HASHERS = ["tests.races.StrongHasher", *settings.PASSWORD_HASHERS]
    member = Member.objects.get(pk=user.pk)
    assert member.check_password(PASSWORD)
    assert User.objects.get(pk=user.pk).password == member.password != user.password
    assert is_live(issued)


@derived_only
def test_a_change_to_somebody_who_is_no_user_ends_nothing(user, issued):
    other = Member(email="other@example.com", left_at=timezone.now())
    change(other)
    other.save()
    other.delete()
    assert is_live(issued)


# Activity that is worked out once for each instance


@customers_only
def test_who_becomes_inactive_is_out_although_the_instance_remembers_otherwise(user, issued):
    assert user.is_active
    user.status = "closed"
    user.save(update_fields=["status"])
    assert stored(issued).revocation_reason == RevocationReason.USER_DEACTIVATED


@customers_only
def test_who_becomes_inactive_silently_is_found_out(issued):
    User.objects.update(status="closed")
    for use in (open_a_door, refresh):
        with pytest.raises(UserInactive):
            use(issued)
    assert stored(issued).revocation_reason == RevocationReason.USER_DEACTIVATED


# What sessions are tied to beside the password


@accounts_only
def test_a_second_factor_that_the_binding_covers_ends_sessions_too(user, issued):
    user.second_factor = "a new one"
    user.save()
    assert not is_live(issued)


@accounts_only
def test_a_second_factor_changed_silently_is_found_out(user, issued):
    User.objects.update(second_factor="a new one")
    assert not is_live(issued)
    assert stored(issued).revocation_reason == RevocationReason.PASSWORD_CHANGE


@accounts_only
def test_a_model_with_a_binding_of_its_own_is_read_whole():
    assert binding.needed_columns(Account, "pk") is None


@accounts_only
def test_keys_with_every_kind_of_character_work(api):
    for key in ("Åsa", "a b", "a'b", 'a"b', "a%b", "ключ", "🙂", "a/b?c#d", "-1", "1e9", "null"):
        user = UserFactory(handle=key)
        issued = lifecycle.rotate(lifecycle.start_session(user).refresh)
        answer = api.get("/whoami/", **authorization(issued))
        assert answer.json() == {"user": key}


def test_this_is_the_model_that_was_asked_for():
    assert User.__name__ == django_settings.CUSTOM_USER


def test_the_trail_can_be_taken_away_and_names_people_as_they_sign_in(issued, user):
    lifecycle.revoke_session(issued.session.pk, actor=user)
    lines = "".join(export(SessionEvent.objects.all(), Format.JSON)).splitlines()
    ended, started = map(json.loads, lines)
    assert (ended["event"], started["event"]) == ("revoked", "started")
    assert ended["user"] == ended["actor"] == started["user"] == str(user.pk)
    assert ended["actor_name"] == started["user_name"] == user.get_username()
