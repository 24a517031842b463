"""What a change to a user ends, through each path by which a project or a person may make it."""

import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from unittest.mock import patch

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AdminPasswordChangeForm, PasswordChangeForm, SetPasswordForm
from django.contrib.auth.hashers import make_password
from django.core import serializers
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from token_lifecycle import binding, lifecycle, tokens
from token_lifecycle.device import Device
from token_lifecycle.exceptions import (
    PasswordChanged,
    SessionRevoked,
    TokenRefused,
    UserInactive,
)
from token_lifecycle.models import EventKind, RevocationReason, Session, SessionEvent
from token_lifecycle.testing import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NEW_PASSWORD = "a wholly different pass phrase"
PHONE = Device(ip_address="192.0.2.7", user_agent="Phone/2.0", name="Anna's phone")


@pytest.fixture(autouse=True)
def _clock(time_machine):
    time_machine.move_to(START, tick=False)


@pytest.fixture
def issued(user):
    return lifecycle.start_session(user, device=PHONE)


@pytest.fixture
def stranger():
    return lifecycle.start_session(UserFactory())


def stored(issued):
    return Session.objects.get(pk=issued.session.pk)


def fresh(user):
    """The user as another request loads it: an instance without a history."""
    return type(user).objects.get(pk=user.pk)


def is_live(issued):
    """Whether the session still opens a door and still refreshes."""
    try:
        lifecycle.check_access(tokens.parse_access(issued.access))
        lifecycle.rotate(issued.refresh)
    except TokenRefused:
        return False
    return True


# A password change


def set_password_and_save(user):
    user.set_password(NEW_PASSWORD)
    user.save()


def set_password_and_save_the_field(user):
    user.set_password(NEW_PASSWORD)
    user.save(update_fields=["password"])


def set_password_and_save_asynchronously(user):
    user.set_password(NEW_PASSWORD)
    async_to_sync(user.asave)()


def set_password_form(user):
    form = SetPasswordForm(user, {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD})
    assert form.is_valid()
    form.save()


def password_change_form(user):
    passwords = {
        "old_password": PASSWORD,
        "new_password1": NEW_PASSWORD,
        "new_password2": NEW_PASSWORD,
    }
    form = PasswordChangeForm(user, passwords)
    assert form.is_valid()
    form.save()


def admin_form(user):
    passwords = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD, "usable_password": "true"}
    form = AdminPasswordChangeForm(user, passwords)
    assert form.is_valid(), form.errors
    form.save()


def admin_form_that_disables_the_password(user):
    form = AdminPasswordChangeForm(user, {"usable_password": "false"})
    assert form.is_valid(), form.errors
    form.save()


def changepassword_command(user):
    with patch("getpass.getpass", return_value=NEW_PASSWORD):
        call_command("changepassword", user.get_username(), stdout=StringIO())


def set_unusable_password(user):
    user.set_unusable_password()
    user.save()


def set_unusable_password_and_save_the_field(user):
    user.set_unusable_password()
    user.save(update_fields=["password"])


def assign_a_hash(user):
    user.password = make_password(NEW_PASSWORD)
    user.save()


def assign_a_hash_and_save_the_field(user):
    user.password = make_password(NEW_PASSWORD)
    user.save(update_fields=["password"])


NOTICED = [
    set_password_and_save,
    set_password_and_save_the_field,
    set_password_and_save_asynchronously,
    set_password_form,
    password_change_form,
    admin_form,
    admin_form_that_disables_the_password,
    changepassword_command,
    set_unusable_password,
    set_unusable_password_and_save_the_field,
    assign_a_hash,
    assign_a_hash_and_save_the_field,
]


@pytest.mark.parametrize("change", NOTICED)
@pytest.mark.parametrize("loaded", ["afresh", "with a history"])
def test_a_new_password_ends_every_session_of_that_user_at_once(
    user, issued, stranger, change, loaded
):
    """The instance that ``UserFactory`` made has had ``set_password`` called; others have not."""
    another = lifecycle.start_session(user)
    change(fresh(user) if loaded == "afresh" else user)
    for ended in (issued, another):
        session = stored(ended)
        assert session.revoked_at == START
        assert session.revocation_reason == RevocationReason.PASSWORD_CHANGE
        with pytest.raises(SessionRevoked):
            lifecycle.rotate(ended.refresh)
    assert SessionEvent.objects.filter(kind=EventKind.REVOKED).count() == 2
    assert is_live(stranger)


def test_the_same_password_set_again_is_a_change_too(user, issued):
    """Whoever sets it wants the others out. It has a new salt: Django's sessions end as well."""
    user.set_password(PASSWORD)
    user.save()
    assert stored(issued).revocation_reason == RevocationReason.PASSWORD_CHANGE


def queryset_update(user):
    type(user).objects.filter(pk=user.pk).update(password=make_password(NEW_PASSWORD))


def bulk_update(user):
    user.set_password(NEW_PASSWORD)
    type(user).objects.bulk_update([user], ["password"])


def raw_sql(user):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE auth_user SET password = 'x' WHERE id = %s", [user.pk])


def fixture_loaded(user):
    user.password = make_password(NEW_PASSWORD)
    for loaded in serializers.deserialize("json", serializers.serialize("json", [user])):
        loaded.save()


UNNOTICED = [queryset_update, bulk_update, raw_sql, fixture_loaded]


@pytest.mark.parametrize("change", UNNOTICED)
def test_a_silent_change_is_caught_by_the_next_refresh_which_ends_the_session(user, issued, change):
    change(fresh(user))
    assert stored(issued).revoked_at is None
    with pytest.raises(PasswordChanged):
        lifecycle.rotate(issued.refresh)
    assert stored(issued).revocation_reason == RevocationReason.PASSWORD_CHANGE
    with pytest.raises(SessionRevoked):
        lifecycle.rotate(issued.refresh)
    assert SessionEvent.objects.filter(kind=EventKind.REVOKED).count() == 1


@pytest.mark.parametrize("change", UNNOTICED)
def test_a_silent_change_is_caught_by_the_strict_access_check(user, issued, change):
    change(fresh(user))
    with pytest.raises(SessionRevoked):
        lifecycle.check_access(tokens.parse_access(issued.access))


def test_a_password_that_is_set_but_not_saved_ends_nothing(user, issued):
    user.set_password(NEW_PASSWORD)
    user.save(update_fields=["last_login"])
    assert is_live(issued)


@pytest.mark.parametrize("fields", [None, ["first_name"], ["last_login"], ["password"], []])
def test_saving_a_user_for_another_reason_ends_nothing(user, issued, fields):
    same = fresh(user)
    same.first_name = "Anna"
    same.save(update_fields=fields)
    assert is_live(issued)


def test_a_new_user_has_nothing_to_end(django_assert_num_queries):
    with django_assert_num_queries(1):
        UserFactory()


def test_sessions_that_are_over_keep_the_reason_they_have(user, issued):
    lifecycle.revoke_session(issued.session.pk, reason=RevocationReason.ADMIN)
    set_password_and_save(user)
    assert stored(issued).revocation_reason == RevocationReason.ADMIN


# A re-hash


@pytest.fixture
def weak(settings, user):
    """A user whose stored hash is to be replaced by a stronger one at the next sign-in."""
    settings.PASSWORD_HASHERS = ["tests.races.StrongHasher"]
    type(user).objects.filter(pk=user.pk).update(password=weak_hash(PASSWORD))
    return fresh(user)


def weak_hash(password):
    from tests.races import WeakHasher

    return make_password(password, hasher=WeakHasher())


def sign_in(user, password=PASSWORD):
    return authenticate(username=user.get_username(), password=password)


def test_a_re_hash_at_sign_in_ends_nothing(weak, stranger):
    issued = lifecycle.start_session(weak)
    signed_in = sign_in(weak)
    assert signed_in.password == fresh(weak).password != weak.password
    assert is_live(issued)
    assert is_live(lifecycle.start_session(signed_in))
    assert is_live(stranger)
    assert stored(issued).revoked_at is None


def test_an_asynchronous_re_hash_ends_nothing(weak):
    issued = lifecycle.start_session(weak)
    user = fresh(weak)
    assert async_to_sync(user.acheck_password)(PASSWORD)
    assert fresh(weak).password == user.password != weak.password
    assert is_live(issued)


def test_a_change_of_algorithm_ends_nothing(user, issued, settings):
    settings.PASSWORD_HASHERS = [
        "tests.races.StrongHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    before = user.password
    sign_in(user)
    assert fresh(user).password != before
    assert is_live(issued)


def test_a_session_survives_one_re_hash_after_another(weak, settings):
    issued = lifecycle.start_session(weak)
    for hasher in ("MD5PasswordHasher", "ScryptPasswordHasher", "MD5PasswordHasher"):
        preferred = f"django.contrib.auth.hashers.{hasher}"
        settings.PASSWORD_HASHERS = [preferred, *settings.PASSWORD_HASHERS]
        sign_in(weak)
        issued = lifecycle.rotate(issued.refresh)
    assert is_live(issued)


def test_a_re_hash_revives_nothing_that_a_silent_change_had_killed(weak):
    issued = lifecycle.start_session(weak)
    type(weak).objects.filter(pk=weak.pk).update(password=weak_hash(NEW_PASSWORD))
    assert sign_in(weak, NEW_PASSWORD)
    assert not is_live(issued)
    assert stored(issued).revocation_reason == RevocationReason.PASSWORD_CHANGE


def test_a_re_hash_revives_nothing_that_was_ended(weak):
    issued = lifecycle.start_session(weak)
    lifecycle.revoke_session(issued.session.pk)
    before = stored(issued).auth_hash
    sign_in(weak)
    assert stored(issued).auth_hash == before
    assert stored(issued).auth_hash_next == ""


def test_a_session_is_bound_to_the_new_hash_before_the_old_one_is_gone(weak, monkeypatch):
    """Another request that looks in the middle of the re-hash finds the session alive."""
    issued = lifecycle.start_session(weak)
    alive = []
    save_table = type(weak).save_base

    def look(self, *args, **kwargs):
        alive.append(is_live(issued))
        save_table(self, *args, **kwargs)
        alive.append(is_live(issued))

    monkeypatch.setattr(type(weak), "save_base", look)
    sign_in(weak)
    assert alive == [True, True]


def test_of_two_sign_ins_that_re_hash_at_once_the_later_adopts_the_stored_hash(weak):
    issued = lifecycle.start_session(weak)
    slow, fast = fresh(weak), fresh(weak)
    assert fast.check_password(PASSWORD)
    assert slow.check_password(PASSWORD)
    assert slow.password == fast.password == fresh(weak).password
    for session in (issued, lifecycle.start_session(fast), lifecycle.start_session(slow)):
        assert is_live(session)


def test_a_re_hash_does_not_undo_a_password_change_made_meanwhile(weak):
    slow = fresh(weak)
    set_password_and_save(fresh(weak))
    assert slow.check_password(PASSWORD)
    assert fresh(weak).check_password(NEW_PASSWORD)


def test_a_re_hash_gives_no_password_back_to_whom_it_was_taken_from_meanwhile(weak):
    slow = fresh(weak)
    set_unusable_password(fresh(weak))
    slow.check_password(PASSWORD)
    assert not fresh(weak).has_usable_password()


def test_a_re_hash_of_a_user_who_was_deleted_meanwhile_is_djangos_own_affair(weak):
    slow = fresh(weak)
    fresh(weak).delete()
    with pytest.raises(Exception, match="did not affect any rows"):
        slow.check_password(PASSWORD)


@pytest.mark.parametrize("assigned", [assign_a_hash_and_save_the_field, set_password_and_save])
def test_after_a_re_hash_a_change_on_the_same_instance_is_a_change(weak, assigned):
    signed_in = sign_in(weak)
    issued = lifecycle.start_session(signed_in)
    assigned(signed_in)
    assert stored(issued).revocation_reason == RevocationReason.PASSWORD_CHANGE


def test_after_a_set_password_a_direct_assignment_is_no_re_hash(user):
    set_password_and_save(user)
    issued = lifecycle.start_session(user)
    assign_a_hash_and_save_the_field(user)
    assert stored(issued).revocation_reason == RevocationReason.PASSWORD_CHANGE


# Keeping one


def change_and_keep(user, issued):
    with lifecycle.keep_session(issued.session.pk):
        set_password_and_save(user)


def test_a_kept_session_survives_a_password_change_and_all_others_end(user, issued, stranger):
    others = [lifecycle.start_session(user) for _ in range(2)]
    change_and_keep(user, issued)
    assert is_live(issued)
    assert is_live(stranger)
    assert not any(is_live(other) for other in others)


@pytest.mark.parametrize("change", NOTICED)
def test_a_session_can_be_kept_whatever_the_path(user, issued, change):
    with lifecycle.keep_session(issued.session.pk):
        change(fresh(user))
    assert is_live(issued)


def test_a_session_can_be_kept_through_a_silent_change(user, issued):
    with lifecycle.keep_session(issued.session.pk):
        queryset_update(user)
    assert is_live(issued)


def test_a_kept_session_can_be_kept_again_and_ended_by_the_next_change(user, issued):
    change_and_keep(user, issued)
    change_and_keep(user, issued)
    assert is_live(issued)
    set_password_and_save(user)
    assert not is_live(issued)


def ended(user, issued):
    lifecycle.revoke_session(issued.session.pk)


def expired(user, issued):
    Session.objects.update(expires_at=START)


def idle(user, issued):
    Session.objects.update(idle_expires_at=START)


def bound_to_an_older_password(user, issued):
    queryset_update(user)


@pytest.mark.parametrize("killed", [ended, expired, idle, bound_to_an_older_password])
def test_keeping_a_dead_session_does_not_revive_it(user, issued, killed):
    killed(user, issued)
    change_and_keep(fresh(user), issued)
    assert not is_live(issued)


def test_keeping_a_session_that_does_not_exist_is_no_error(user, issued):
    with lifecycle.keep_session(lifecycle.start_session(UserFactory()).session.pk):
        set_password_and_save(user)
    assert not is_live(issued)
    Session.objects.all().delete()
    change_and_keep(user, issued)


def test_an_error_in_the_block_undoes_the_change_and_ends_nothing(user, issued):
    another = lifecycle.start_session(user)

    def change_and_fail():
        with lifecycle.keep_session(issued.session.pk):
            set_password_and_save(user)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert fresh(user).check_password(PASSWORD)
    assert is_live(issued)
    assert is_live(another)


def test_nothing_is_kept_after_the_block_or_after_an_error_in_it(user, issued):
    with pytest.raises(ZeroDivisionError), lifecycle.keep_session(issued.session.pk):
        raise ZeroDivisionError
    with lifecycle.keep_session(issued.session.pk):
        pass
    set_password_and_save(user)
    assert not is_live(issued)


def test_a_session_cannot_be_kept_by_a_user_who_is_deactivated_or_deleted(user, issued):
    with lifecycle.keep_session(issued.session.pk):
        user.is_active = False
        set_password_and_save(user)
    assert stored(issued).revocation_reason == RevocationReason.USER_DEACTIVATED
    other = lifecycle.start_session(UserFactory())
    with lifecycle.keep_session(other.session.pk):
        other.session.user.delete()
    assert stored(other).revocation_reason == RevocationReason.USER_DELETED


# Deactivation


@pytest.mark.parametrize("fields", [None, ["is_active"], ["is_active", "password"]])
def test_a_deactivated_user_loses_every_session_at_once_and_for_good(user, issued, fields):
    user.is_active = False
    user.save(update_fields=fields)
    assert stored(issued).revocation_reason == RevocationReason.USER_DEACTIVATED
    user.is_active = True
    user.save()
    assert not is_live(issued)


def test_a_silent_deactivation_is_caught_by_refresh_and_strict_check(user, issued):
    type(user).objects.update(is_active=False)
    with pytest.raises(UserInactive):
        lifecycle.check_access(tokens.parse_access(issued.access))
    with pytest.raises(UserInactive):
        lifecycle.rotate(issued.refresh)


def test_a_session_refused_while_its_user_was_silently_deactivated_stays_ended(user, issued):
    idle = lifecycle.start_session(user)
    type(user).objects.update(is_active=False)
    with pytest.raises(UserInactive):
        lifecycle.check_access(tokens.parse_access(idle.access))
    with pytest.raises(UserInactive):
        lifecycle.rotate(issued.refresh)
    type(user).objects.update(is_active=True)
    with pytest.raises(SessionRevoked):
        lifecycle.rotate(issued.refresh)
    assert stored(issued).revocation_reason == RevocationReason.USER_DEACTIVATED
    assert stored(issued).revoked_at == START
    event = SessionEvent.objects.get(kind=EventKind.REVOKED)
    assert (event.session, event.user) == (stored(issued), user)
    # An access check writes nothing.
    assert is_live(idle)


def test_a_session_whose_user_was_deleted_behind_our_back_ends_at_its_next_refresh(issued):
    Session.objects.update(user=None)
    with pytest.raises(UserInactive):
        lifecycle.rotate(issued.refresh)
    assert stored(issued).revocation_reason == RevocationReason.USER_DELETED


def test_saving_an_inactive_user_again_ends_nothing_twice(user, issued):
    user.is_active = False
    user.save()
    user.save()
    assert SessionEvent.objects.filter(kind=EventKind.REVOKED).count() == 1


# Deletion


def delete_instance(user):
    fresh(user).delete()


def delete_queryset(user):
    type(user).objects.filter(pk=user.pk).delete()


@pytest.mark.parametrize("delete", [delete_instance, delete_queryset])
def test_a_deleted_user_leaves_ended_sessions_that_tell_nothing_about_them(
    user, issued, stranger, delete
):
    delete(user)
    session = stored(issued)
    assert (session.user, session.revoked_at) == (None, START)
    assert session.revocation_reason == RevocationReason.USER_DELETED
    assert (session.ip_address, session.user_agent, session.device_name) == (None, "", "")
    for event in SessionEvent.objects.filter(session=session):
        assert (event.user, event.ip_address, event.user_agent) == (None, None, "")
    assert not is_live(issued)
    assert is_live(stranger)


def test_a_session_that_was_over_is_stripped_too_and_keeps_its_reason(user, issued):
    lifecycle.revoke_session(issued.session.pk)
    user.delete()
    session = stored(issued)
    assert session.revocation_reason == RevocationReason.LOGOUT
    assert (session.ip_address, session.device_name) == (None, "")


def clients_of_events():
    """Address and user agent by whose session it was and who acted."""
    events = SessionEvent.objects.filter(kind=EventKind.REVOKED)
    return {(e.user_id, e.actor_id): (e.ip_address, e.user_agent) for e in events}


def test_who_ended_sessions_of_others_and_is_deleted_leaves_no_client_behind(user, stranger):
    other = stranger.session.user
    lifecycle.revoke_session(stranger.session.pk, actor=user, device=PHONE)
    user.delete()
    assert clients_of_events() == {(other.pk, None): (None, "")}


def test_the_client_of_somebody_else_outlives_whose_session_they_ended(user, issued, stranger):
    staff = stranger.session.user
    lifecycle.revoke_session(issued.session.pk, actor=staff, device=PHONE)
    user.delete()
    assert clients_of_events() == {(None, staff.pk): (PHONE.ip_address, PHONE.user_agent)}


def test_many_users_without_sessions_are_deleted_with_three_statements_each(db):
    User = type(UserFactory())
    [UserFactory() for _ in range(9)]
    with CaptureQueriesContext(connection) as captured:
        User.objects.all().delete()
    ours = [
        query["sql"] for query in captured.captured_queries if "token_lifecycle" in query["sql"]
    ]
    # Django's own let go of sessions, events and cutoffs.
    ours = [sql for sql in ours if not re.search(r" SET .(user|actor)_id. = NULL", sql)]
    assert len(ours) == 10 * 3
    assert sum(sql.startswith("UPDATE") for sql in ours) == 10 * 2


def test_events_are_emptied_although_every_session_was_pruned(user, issued):
    Session.objects.all().delete()
    user.delete()
    assert SessionEvent.objects.get().ip_address is None


def test_a_user_made_anew_with_the_same_name_inherits_no_session(user, issued):
    name, key = user.get_username(), user.pk
    user.delete()
    UserFactory(pk=key, username=name)
    assert not is_live(issued)


# The binding


def test_a_rotated_secret_key_ends_nothing_while_the_old_one_is_a_fallback(user, issued, settings):
    settings.SIMPLE_JWT = {"SIGNING_KEY": settings.SECRET_KEY}
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, long enough for every purpose, 0123456789abcdef"
    fresh(user).save()
    assert stored(issued).revoked_at is None
    assert is_live(issued)


def test_the_binding_is_of_no_use_against_djangos_own_sessions(user, issued):
    assert stored(issued).auth_hash == binding.auth_hash(user)
    assert user.get_session_auth_hash() not in stored(issued).auth_hash


def test_a_password_changed_between_check_and_sign_in_is_not_outlived(user):
    checked = sign_in(user)
    queryset_update(user)
    assert not is_live(lifecycle.start_session(checked))


def test_an_expired_session_is_no_concern_of_a_password_change(user, issued, time_machine):
    time_machine.shift(timedelta(days=31))
    set_password_and_save(user)
    assert stored(issued).revoked_at is None
