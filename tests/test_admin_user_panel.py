"""The sessions of a user on the user's page in Django's admin."""

import re
from datetime import timedelta

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.sites import AdminSite
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils.html import escape, strip_tags

from token_lifecycle.admin import SessionAdmin, SessionEventAdmin, UserSessionsMixin, user_panel
from token_lifecycle.models import EventKind, Session, SessionEvent
from token_lifecycle.testing import SessionFactory, UserFactory

from .test_admin import (
    LIST,
    RestrictedAdmin,
    all_of,
    browser_of,
    is_ended,
    messages_of,
    page_of,
    staff,
)
from .test_admin_session_page import EVIL, RAW, happened
from .test_custom_users import run

pytestmark = pytest.mark.django_db

User = get_user_model()
USERS = "/admin/auth/user/"
HEADING = '<h2 id="user-sessions"'


class MyUserAdmin(UserSessionsMixin, UserAdmin):
    """An admin that a project has given the panel itself, and a page without inlines' scripts."""


class DeviceForm(forms.ModelForm):
    """A stored session is saved by what describes it."""

    def save(self, commit=True):
        session = super().save(commit=False)
        session.save(update_fields=["device_name"])
        return session


class OtherInline(admin.TabularInline):
    model = Session
    form = DeviceForm
    fk_name = "user"
    fields = ("device_name",)
    extra = 1

    def has_add_permission(self, request, obj=None):
        return True


class UserAdminWithInline(UserAdmin):
    """An admin with an inline of its own, of the same model even."""

    inlines = (OtherInline,)


def site_of(users, sessions=SessionAdmin):
    site = AdminSite()
    # The users first: the panel must not depend on the order.
    site.register(User, users)
    if sessions is not None:
        site.register(Session, sessions)
    site.register(SessionEvent, SessionEventAdmin)
    return site


urlpatterns = [
    path("admin/", site_of(UserAdmin, RestrictedAdmin).urls),
    path("mixin/", site_of(MyUserAdmin).urls),
    path("inline/", site_of(UserAdminWithInline).urls),
    path("bare/", site_of(UserAdmin, None).urls),
    path("foreign/", site_of(UserAdmin, admin.ModelAdmin).urls),
]


@pytest.fixture
def boss():
    return UserFactory(is_staff=True, is_superuser=True, username="boss")


@pytest.fixture
def browser(boss):
    return browser_of(boss)


def user_page(user, site="admin"):
    return f"/{site}/auth/user/{user.pk}/change/"


def shown(browser, user, site="admin"):
    return browser.get(user_page(user, site)).content.decode()


def text_of(page):
    return " ".join(strip_tags(page).split())


def form_of(user, **changes):
    """What the form of Django's user admin posts, without a field of any inline."""
    joined = user.date_joined
    fields = {
        "username": user.username,
        "first_name": "",
        "last_name": "",
        "email": user.email,
        "is_active": "on",
        "date_joined_0": f"{joined:%Y-%m-%d}",
        "date_joined_1": f"{joined:%H:%M:%S}",
    }
    return fields | changes


# What it shows


def test_the_page_of_a_user_shows_their_live_sessions_each_with_its_page(browser):
    user = UserFactory()
    phone = SessionFactory(user=user, device_name="Anna's phone")
    laptop = SessionFactory(user=user)
    over = SessionFactory(user=user, device_name="Old tablet", ended=True)
    other = SessionFactory(device_name="Bruno's phone")
    page = shown(browser, user)
    for text in ("Anna&#x27;s phone", "Firefox on Linux", "192.0.2.1", "signed in", "last used"):
        assert text in page
    assert page_of(phone) in page
    assert page_of(laptop) in page
    for absent in ("Old tablet", "Bruno", page_of(over), page_of(other)):
        assert absent not in page


def test_the_newest_sessions_are_shown_and_the_others_are_said_to_be_there(browser, monkeypatch):
    monkeypatch.setattr(user_panel, "SESSIONS_SHOWN", 2)
    user = UserFactory()
    old, *newest = SessionFactory.create_batch(3, user=user)
    page = shown(browser, user)
    assert "These are the newest; there are more." in page
    assert page_of(old) not in page
    assert all(page_of(session) in page for session in newest)
    old.delete()
    assert "there are more" not in shown(browser, user)


def test_the_panel_leads_to_the_list_of_all_sessions_of_the_user(browser):
    session = SessionFactory(ended=True)
    SessionFactory()
    page = shown(browser, session.user)
    assert "No session is live." in page
    (url,) = re.findall(rf'href="({LIST}\?[^"]+)"', page)
    assert list(browser.get(url).context["cl"].result_list) == [session]


def test_the_panel_tells_what_happened_last_with_links_to_the_sessions_that_are_kept(
    browser, monkeypatch
):
    monkeypatch.setattr(user_panel, "LINES", 3)
    user = UserFactory()
    kept, gone = SessionFactory(user=user, ended=True), SessionFactory(user=user)
    happened(kept, "started", "new_client", "revoked", reason="logout")
    happened(gone, "started")
    happened(SessionFactory(), "reuse_detected")
    gone_key = gone.pk
    Session.objects.filter(pk=gone_key).delete()
    page = shown(browser, user)
    told = page.partition('id="user-events"')[2]
    assert told.count('<li class="is-') == 3
    assert "reuse" not in told
    assert f'/{kept.pk}/change/">session …{str(kept.pk)[-8:]}<' in told
    assert f"/{gone_key}/change/" not in told
    assert "Older events of this user" in told


def test_refreshes_of_two_sessions_are_not_told_as_those_of_one(browser):
    user = UserFactory()
    for session in SessionFactory.create_batch(2, user=user):
        happened(session, "rotated", "rotated", every=timedelta(0))
    assert shown(browser, user).count("Refreshed 2 times") == 2


def test_somebody_who_is_being_added_has_no_panel(browser):
    response = browser.get(f"{USERS}add/")
    assert response.status_code == 200
    assert HEADING not in response.content.decode()


@pytest.mark.parametrize("evil", EVIL)
def test_what_a_client_called_itself_is_text_and_nothing_else(browser, evil):
    session = SessionFactory(user_agent=evil, device_name=evil)
    happened(session, *EventKind.values, user_agent=evil)
    page = shown(browser, session.user).partition(HEADING)[2]
    page = page.partition("submit-row")[0].replace(str(session.pk), "")
    assert page.count(escape(evil)) > 5
    for raw in RAW:
        assert raw not in page


def test_the_panel_brings_a_stylesheet_and_no_script_or_style_in_its_text(browser):
    session = SessionFactory()
    happened(session, *EventKind.values)
    page = shown(browser, session.user)
    assert "token_lifecycle/admin.css" in page
    assert "inlines.js" not in page
    panel = page.partition(HEADING)[2].partition("submit-row")[0]
    assert not re.search(r"<script|<style| style=|\son\w+=|<input|<form", panel)


# Who sees it


@pytest.mark.parametrize(
    ("permissions", "panel", "events", "button"),
    [
        (["view_user"], False, False, False),
        (["view_user", "end_session"], False, False, False),
        (["view_user", "view_session"], True, False, False),
        (["change_user", "view_session", "end_session"], True, False, True),
        (["change_user", "view_session", "view_sessionevent"], True, True, False),
    ],
)
def test_each_part_is_shown_to_whoever_may_see_it(permissions, panel, events, button):
    session = SessionFactory()
    happened(session, "started")
    page = shown(browser_of(staff(*permissions)), session.user)
    assert (HEADING in page) == panel
    assert ('id="user-events"' in page) == events
    assert ("End all sessions" in page) == button


def test_the_setting_takes_the_panel_away(browser, options):
    user = SessionFactory().user
    assert HEADING in shown(browser, user)
    options(ADMIN_USER_PANEL=False)
    assert HEADING not in shown(browser, user)


@pytest.mark.urls("tests.test_admin_user_panel")
@pytest.mark.parametrize("automatic", [True, False])
def test_an_admin_with_the_mixin_shows_it_once_whatever_the_setting_says(
    browser, options, automatic
):
    options(ADMIN_USER_PANEL=automatic)
    assert shown(browser, SessionFactory().user, "mixin").count(HEADING) == 1


@pytest.mark.urls("tests.test_admin_user_panel")
@pytest.mark.parametrize("site", ["bare", "foreign"])
def test_a_site_without_this_admin_of_sessions_has_users_without_a_panel(browser, site):
    assert HEADING not in shown(browser, SessionFactory().user, site)


def test_asking_a_site_for_its_addresses_again_wraps_nothing_twice():
    users = admin.site.get_model_admin(User)
    admin.site.get_urls()
    wrapped = users.get_inlines
    admin.site.get_urls()
    assert users.get_inlines is wrapped


def test_the_system_checks_find_nothing_wrong_with_the_inline():
    call_command("check", "--fail-level", "WARNING", "--tag", "admin", verbosity=0)


@pytest.mark.parametrize("model", ["Member", "Account"])
def test_the_panel_works_with_another_user_model(model):
    suite, settings = "tests/custom_users/admin_suite.py", "tests.settings_custom_admin"
    done = run(suite, settings, CUSTOM_USER=model)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


# Saving the user


def test_a_post_without_any_field_of_the_panel_saves_the_user_and_no_session(browser):
    session = SessionFactory(user__first_name="Anna")
    before = Session.objects.filter(pk=session.pk).values().get()
    response = browser.post(user_page(session.user), form_of(session.user, first_name="Bea"))
    assert response.status_code == 302
    session.user.refresh_from_db()
    assert session.user.first_name == "Bea"
    assert Session.objects.filter(pk=session.pk).values().get() == before
    assert Session.objects.count() == 1


@pytest.mark.parametrize("total", ["1", "1000000", "abc", ""])
def test_posted_fields_of_an_inline_change_no_session(browser, total):
    session = SessionFactory(device_name="phone")
    prefix = user_panel.NothingToSave.get_default_prefix()
    for name in (prefix, "token_sessions"):
        forged = {
            f"{name}-TOTAL_FORMS": total,
            f"{name}-INITIAL_FORMS": total,
            f"{name}-0-id": str(session.pk),
            f"{name}-0-device_name": "forged",
            f"{name}-0-DELETE": "on",
        }
        posted = form_of(session.user, **forged)
        assert browser.post(user_page(session.user), posted).status_code == 302
    session.refresh_from_db()
    assert session.device_name == "phone"
    assert Session.objects.count() == 1


def test_saving_the_user_costs_no_statement_more_with_the_panel(browser, options):
    user = SessionFactory().user

    def needed(name):
        with CaptureQueriesContext(connection) as captured:
            browser.post(user_page(user), form_of(user, first_name=name))
        return len(captured)

    needed("Anna")
    with_panel = needed("Bea")
    options(ADMIN_USER_PANEL=False)
    assert with_panel == needed("Cleo")


def test_a_form_with_a_mistake_comes_back_with_the_panel(browser):
    user = SessionFactory().user
    response = browser.post(user_page(user), form_of(user, username=""))
    assert response.status_code == 200
    assert response.context["errors"] == [["This field is required."]]
    assert HEADING in response.content.decode()


@pytest.mark.urls("tests.test_admin_user_panel")
def test_an_inline_of_the_project_works_beside_the_panel(browser):
    session = SessionFactory(device_name="phone")
    page = shown(browser, session.user, "inline")
    assert HEADING in page
    assert 'name="token_sessions-TOTAL_FORMS"' in page
    posted = form_of(
        session.user,
        **{
            "token_sessions-TOTAL_FORMS": "1",
            "token_sessions-INITIAL_FORMS": "1",
            "token_sessions-0-id": str(session.pk),
            "token_sessions-0-user": str(session.user_id),
            "token_sessions-0-device_name": "tablet",
        },
    )
    assert browser.post(user_page(session.user, "inline"), posted).status_code == 302
    session.refresh_from_db()
    assert session.device_name == "tablet"


# Ending


def test_the_button_asks_and_then_ends_all_sessions_of_this_user_alone(browser):
    user = UserFactory(username="anna")
    theirs = SessionFactory.create_batch(2, user=user)
    stranger = SessionFactory()
    (url,) = re.findall(r'href="([^"]+/end-all-of/[^"]+)"', shown(browser, user))
    assert url == all_of(user.pk)
    assert "2 live sessions will end." in text_of(browser.get(url).content.decode())
    assert not any(map(is_ended, theirs))
    response = browser.post(url, {"confirmed": "yes"}, follow=True)
    assert response.redirect_chain[0][0] == user_page(user)
    assert messages_of(response)[0].startswith("2 sessions were ended.")
    assert all(map(is_ended, theirs))
    assert not is_ended(stranger)


def test_no_button_is_shown_where_nothing_is_live(browser):
    assert "end-all-of" not in shown(browser, SessionFactory(expired=True).user)


def test_whoever_may_not_look_at_users_comes_back_to_the_list():
    session = SessionFactory()
    ender = browser_of(staff("view_session", "end_session"))
    assert ender.post(all_of(session.user_id), {"confirmed": "yes"}).url == LIST
    assert is_ended(session)


@pytest.mark.parametrize(
    "key", ["0", "999999", "9" * 40, "-1", "abc", "%00", "1%00", "_2F", "1_2F..", "é", "1/end"]
)
def test_a_key_that_no_user_with_sessions_has_is_missing(browser, key):
    session = SessionFactory()
    assert browser.post(all_of(key), {"confirmed": "yes"}).status_code == 404
    assert not is_ended(session)


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_no_safe_method_ends_anything(browser, method):
    session = SessionFactory()
    getattr(browser, method)(f"{all_of(session.user_id)}?confirmed=yes")
    assert not is_ended(session)


@pytest.mark.urls("tests.test_admin_user_panel")
def test_restricted_staff_see_and_end_only_their_own(browser):
    inside = SessionFactory(device_name="inside")
    outside = SessionFactory(device_name="outside", user=inside.user, auth_method="sso")
    page = shown(browser, inside.user)
    assert "inside" in page
    assert "outside" not in page
    browser.post(all_of(inside.user_id), {"confirmed": "yes"})
    assert is_ended(inside)
    assert not is_ended(outside)
    hidden = SessionFactory(user=staff())
    assert browser.post(all_of(hidden.user_id), {"confirmed": "yes"}).status_code == 404


# Cost


def test_the_panel_reads_a_bounded_number_of_rows_in_a_constant_number_of_statements(browser, boss):
    def needed(count):
        user = UserFactory()
        for session in SessionFactory.create_batch(count, user=user):
            happened(session, "started", "revoked", actor=boss, reason="logout")
        browser.get(user_page(user))
        with CaptureQueriesContext(connection) as captured:
            browser.get(user_page(user))
        return [q["sql"] for q in captured.captured_queries]

    few, many = needed(1), needed(30)
    assert len(few) == len(many)
    ours = [sql for sql in many if "FROM " in sql and "token_lifecycle_session" in sql]
    assert len(ours) == 2
    assert all(" LIMIT " in sql for sql in ours)
    assert not any("secret_digest" in sql or "auth_hash" in sql for sql in ours)
