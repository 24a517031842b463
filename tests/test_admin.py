"""Sessions and their trail in Django's admin."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib import admin
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.admin.sites import AdminSite
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path, reverse
from django.utils import timezone, translation

from token_lifecycle import lifecycle
from token_lifecycle.admin import (
    SessionAdmin,
    columns,
    confirming,
    counting,
    deleting,
    ending,
    everybody,
    searching,
)
from token_lifecycle.admin.filters import CONDITIONS
from token_lifecycle.models import EventKind, RevocationReason, Session, SessionEvent, SessionStatus
from token_lifecycle.testing import SessionFactory, UserFactory, authorization, sign_in

pytestmark = pytest.mark.django_db

LIST = "/admin/token_lifecycle/session/"
EVENTS = "/admin/token_lifecycle/sessionevent/"


class RestrictedAdmin(SessionAdmin):
    """As a project would restrict its support staff, with a join and a DISTINCT."""

    def get_queryset(self, request):
        sessions = super().get_queryset(request)
        return sessions.filter(user__is_staff=False).exclude(auth_method="sso").distinct()


restricted_site = AdminSite()
restricted_site.register(Session, RestrictedAdmin)
urlpatterns = [path("admin/", restricted_site.urls)]


def staff(*codenames, **fields):
    """A member of staff with these permissions of this app and of ``auth``."""
    person = UserFactory(is_staff=True, **fields)
    apps = ["token_lifecycle", "auth"]
    found = Permission.objects.filter(codename__in=codenames, content_type__app_label__in=apps)
    assert found.count() == len(codenames)
    person.user_permissions.set(found)
    return person


PEOPLE = {
    "anonymous": lambda: None,
    "visitor": UserFactory,
    "staff": staff,
    "viewer": lambda: staff("view_session"),
    "ender": lambda: staff("view_session", "end_session"),
    "blind ender": lambda: staff("end_session"),
    "deleter": lambda: staff("view_session", "delete_session"),
    "ending deleter": lambda: staff("view_session", "delete_session", "end_session"),
    "overseer": lambda: staff("view_session", "view_overview"),
    "auditor": lambda: staff("view_sessionevent"),
    "superuser": lambda: UserFactory(is_staff=True, is_superuser=True),
}


def browser_of(person, **options):
    client = Client(**options)
    if person is not None:
        client.force_login(person)
    return client


@pytest.fixture
def boss():
    return UserFactory(is_staff=True, is_superuser=True, username="boss")


@pytest.fixture
def browser(boss):
    return browser_of(boss)


def event_of(session):
    return SessionEvent.objects.create(
        kind=EventKind.STARTED, created_at=timezone.now(), session=session, user=session.user
    )


def page_of(session, *parts):
    return "/".join([f"{LIST}{session.pk}", *(parts or ["change"]), ""])


def all_of(user_key):
    return f"{LIST}end-all-of/{user_key}/"


def select(action, *rows, confirmed=False, across=False):
    """What the list, or the page that asks, posts."""
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    if across:
        data["select_across"] = "1"
    return data | ({"confirmed": "yes"} if confirmed else {"index": "0"})


def hidden_fields(response):
    """The form of the page that asks, as a browser would send it back."""
    text = response.content.decode()
    form = re.search(r'<form method="post">(.*?)</form>', text, re.DOTALL)[1]
    fields = {}
    for name, value in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form):
        fields.setdefault(name, []).append(value)
    return fields


def messages_of(response):
    return [str(message) for message in response.context["messages"]]


def is_ended(session):
    session.refresh_from_db()
    return session.revoked_at is not None


# Who may do what

LOGIN, REFUSED, SHOWN, ENDED, REMOVED = "login", "refused", "shown", "ended", "removed"
#: Sent back to the list, which says why nothing happened.
TOLD = "told"

REQUESTS = {
    "list": lambda b, live, dead: b.get(LIST),
    "page": lambda b, live, dead: b.get(page_of(live)),
    "history": lambda b, live, dead: b.get(page_of(live, "history")),
    "ask for one": lambda b, live, dead: b.get(page_of(live, "end")),
    "ask for all": lambda b, live, dead: b.get(page_of(live, "end-all")),
    "ask for others": lambda b, live, dead: b.get(page_of(live, "end-others")),
    "ask for all of a user": lambda b, live, dead: b.get(all_of(live.user_id)),
    "ask from the list": lambda b, live, dead: b.post(LIST, select("end_selected", live)),
    "ask for users": lambda b, live, dead: b.post(LIST, select("end_all_of_users", live)),
    "end one": lambda b, live, dead: b.post(page_of(live, "end"), {"confirmed": "yes"}),
    "end all": lambda b, live, dead: b.post(page_of(live, "end-all"), {"confirmed": "yes"}),
    "end others": lambda b, live, dead: b.post(page_of(dead, "end-others"), {"confirmed": "yes"}),
    "end all of a user": lambda b, live, dead: b.post(all_of(live.user_id), {"confirmed": "yes"}),
    "end from the list": lambda b, live, dead: b.post(
        LIST, select("end_selected", live, confirmed=True)
    ),
    "end those of users": lambda b, live, dead: b.post(
        LIST, select("end_all_of_users", dead, confirmed=True)
    ),
    "ask to delete": lambda b, live, dead: b.get(page_of(dead, "delete")),
    "ask to delete a live one": lambda b, live, dead: b.get(page_of(live, "delete")),
    "delete": lambda b, live, dead: b.post(page_of(dead, "delete"), {"confirmed": "yes"}),
    "delete a live one": lambda b, live, dead: b.post(
        page_of(live, "delete"), {"confirmed": "yes"}
    ),
    "delete from the list": lambda b, live, dead: b.post(
        LIST, select("delete_selected", dead, confirmed=True)
    ),
    "delete a live one from the list": lambda b, live, dead: b.post(
        LIST, select("delete_selected", live, confirmed=True)
    ),
    "ask to delete a live one from the list": lambda b, live, dead: b.post(
        LIST, select("delete_selected", live)
    ),
    "add": lambda b, live, dead: b.post(f"{LIST}add/", {"user": live.user_id}),
    "change": lambda b, live, dead: b.post(page_of(live), {"user": ""}),
    "trail": lambda b, live, dead: b.get(EVENTS),
    "event": lambda b, live, dead: b.get(f"{EVENTS}{event_of(live).pk}/change/"),
    "export": lambda b, live, dead: b.get(f"{EVENTS}export/?format=csv"),
    "overview": lambda b, live, dead: b.get(f"{LIST}overview/"),
    "ask for everybody": lambda b, live, dead: b.get(f"{LIST}end-everybody/"),
    "end everybody": lambda b, live, dead: b.post(
        f"{LIST}end-everybody/", {"phrase": "log everyone out"}
    ),
}

TRAIL = ["trail", "event", "export"]
LOOK = ["list", "page", "history"]
ASK_ON_A_PAGE = ["ask for one", "ask for all", "ask for others", "ask for all of a user"]
ASK = [*ASK_ON_A_PAGE, "ask from the list", "ask for users"]
END_ON_A_PAGE = ["end one", "end all", "end others", "end all of a user"]
END = [*END_ON_A_PAGE, "end from the list", "end those of users"]
DELETE = ["delete", "delete from the list"]
DELETE_LIVE = ["delete a live one", "delete a live one from the list"]
ASK_DELETE_LIVE = ["ask to delete a live one", "ask to delete a live one from the list"]

#: What somebody is answered; every request that is not named is refused.
ALLOWED = {
    "staff": {},
    "viewer": dict.fromkeys(LOOK, SHOWN),
    "ender": dict.fromkeys(LOOK + ASK, SHOWN) | dict.fromkeys(END, ENDED),
    "blind ender": {},
    "deleter": dict.fromkeys([*LOOK, "ask to delete"], SHOWN)
    | dict.fromkeys(DELETE, REMOVED)
    | dict.fromkeys(["delete a live one from the list", ASK_DELETE_LIVE[1]], TOLD),
    "ending deleter": dict.fromkeys([*LOOK, *ASK, "ask to delete", *ASK_DELETE_LIVE], SHOWN)
    | dict.fromkeys(DELETE, REMOVED)
    | dict.fromkeys(END + DELETE_LIVE, ENDED),
    "overseer": dict.fromkeys([*LOOK, "overview"], SHOWN),
    "auditor": dict.fromkeys(TRAIL, SHOWN),
    "superuser": dict.fromkeys(
        [*LOOK, *ASK, *TRAIL, "ask to delete", *ASK_DELETE_LIVE, "overview", "ask for everybody"],
        SHOWN,
    )
    | dict.fromkeys(DELETE, REMOVED)
    | dict.fromkeys([*END, *DELETE_LIVE, "end everybody"], ENDED),
}


def expected(person, request):
    if person in ("anonymous", "visitor"):
        return LOGIN
    return ALLOWED[person].get(request, REFUSED)


def outcome(response, live, dead):
    """What happened, as the rows and the answer tell."""
    removed = not Session.objects.filter(pk=dead.pk).exists()
    ended = is_ended(live)
    match response.status_code:
        case 302 if response.url.startswith("/admin/login/"):
            answer = LOGIN
        case 302:
            answer = ENDED if ended else REMOVED if removed else TOLD
        case 403:
            answer = REFUSED
        case 200:
            answer = SHOWN
    if answer != ENDED:
        assert not ended
    if answer != REMOVED:
        assert not removed
    return answer


@pytest.mark.parametrize("request_name", REQUESTS)
@pytest.mark.parametrize("person", PEOPLE)
def test_everybody_can_do_what_their_permissions_say_and_nothing_else(person, request_name):
    live = SessionFactory()
    dead = SessionFactory(user=live.user, expired=True)
    response = REQUESTS[request_name](browser_of(PEOPLE[person]()), live, dead)
    assert outcome(response, live, dead) == expected(person, request_name)


@pytest.mark.parametrize(
    ("person", "sees_end", "sees_delete"),
    [
        ("viewer", False, False),
        ("ender", True, False),
        ("deleter", False, False),
        ("ending deleter", True, True),
    ],
)
def test_nobody_sees_a_button_or_an_action_that_would_be_refused(person, sees_end, sees_delete):
    live = SessionFactory()
    SessionFactory(user=live.user)
    browser = browser_of(PEOPLE[person]())
    page = browser.get(page_of(live)).content.decode()
    assert ("End this session" in page) == sees_end
    assert ("End this user&#x27;s other sessions" in page) == sees_end
    assert ("End all sessions of this user" in page) == sees_end
    assert (page_of(live, "delete") in page) == sees_delete
    listed = browser.get(LIST).content.decode()
    assert ("end_selected" in listed) == sees_end
    assert ("end_all_of_users" in listed) == sees_end
    assert ("delete_selected" in listed) == (person in ("deleter", "ending deleter"))


@pytest.mark.parametrize("name", [*END_ON_A_PAGE, "delete a live one", "end from the list"])
def test_a_post_without_a_csrf_token_ends_nothing(name, boss):
    live = SessionFactory()
    dead = SessionFactory(user=live.user, expired=True)
    response = REQUESTS[name](browser_of(boss, enforce_csrf_checks=True), live, dead)
    assert response.status_code == 403
    assert not is_ended(live)


def test_the_page_that_asks_carries_the_csrf_token_that_the_answer_needs(boss):
    live = SessionFactory()
    browser = browser_of(boss, enforce_csrf_checks=True)
    fields = hidden_fields(browser.get(page_of(live, "end")))
    assert browser.post(page_of(live, "end"), fields).status_code == 302
    assert is_ended(live)


@pytest.mark.parametrize("what", ["end", "end-others", "end-all", "delete"])
@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_no_safe_method_ends_anything_whatever_its_query_says(browser, what, method):
    live = SessionFactory()
    getattr(browser, method)(f"{page_of(live, what)}?confirmed=yes&post=yes&action=end_selected")
    assert not is_ended(live)


def test_a_get_of_the_list_runs_no_action(browser):
    live = SessionFactory()
    query = {"action": "end_selected", "_selected_action": str(live.pk), "confirmed": "yes"}
    browser.get(LIST, query)
    assert not is_ended(live)


@pytest.mark.parametrize("what", ["end", "end-others", "end-all", "delete"])
def test_a_post_that_confirms_nothing_asks(browser, what):
    live = SessionFactory()
    assert browser.post(page_of(live, what)).status_code == 200
    assert not is_ended(live)


# Ending


def test_the_page_that_asks_names_device_and_user_and_counts_them(browser):
    phone = SessionFactory(device_name="Anna's phone", user__username="anna")
    SessionFactory(user=phone.user, device_name="Anna's tablet")
    over = SessionFactory(user=phone.user, device_name="Old laptop", ended=True)
    page = browser.post(LIST, select("end_all_of_users", over)).content.decode()
    assert "2 live sessions will end." in page
    assert "One user is concerned." in page
    assert "1 more is over already" in page
    assert "Anna&#x27;s phone" in page
    assert "Anna&#x27;s tablet" in page
    assert "Old laptop" not in page


def test_the_page_that_asks_names_a_bounded_number_and_counts_the_others(browser, monkeypatch):
    monkeypatch.setattr(confirming, "NAMED", 3)
    rows = SessionFactory.create_batch(5)
    page = browser.post(LIST, select("end_selected", *rows)).content.decode()
    assert page.count('<th scope="row">') == 3
    assert "and 2 more" in page


def test_the_form_of_the_page_that_asks_ends_what_was_selected_and_nothing_else(browser):
    chosen, other = SessionFactory.create_batch(2)
    asked = browser.post(LIST, select("end_selected", chosen))
    response = browser.post(LIST, hidden_fields(asked), follow=True)
    assert is_ended(chosen)
    assert not is_ended(other)
    assert messages_of(response)[0].startswith("1 session was ended.")


def test_ending_all_sessions_of_users_spares_everybody_else(browser):
    chosen, other = UserFactory(), UserFactory()
    theirs = SessionFactory.create_batch(3, user=chosen)
    spared = SessionFactory(user=other)
    asked = browser.post(LIST, select("end_all_of_users", theirs[0]))
    browser.post(LIST, hidden_fields(asked))
    assert all(map(is_ended, theirs))
    assert not is_ended(spared)


def test_the_filters_of_the_list_survive_the_question(browser):
    live = SessionFactory()
    url = f"{LIST}?status=live"
    response = browser.post(url, hidden_fields(browser.post(url, select("end_selected", live))))
    assert response.url == url
    assert is_ended(live)


def test_the_buttons_lead_back_to_the_page_and_remember_the_list(browser):
    live = SessionFactory()
    page = browser.get(page_of(live) + "?_changelist_filters=status%3Dlive").content.decode()
    button = re.search(r'href="([^"]+/end/[^"]*)"', page)[1].replace("&amp;", "&")
    assert "_changelist_filters=status%3Dlive" in button
    response = browser.post(button, {"confirmed": "yes"})
    assert response.url == page_of(live) + "?_changelist_filters=status%3Dlive"


def test_ten_thousand_sessions_selected_across_all_pages_end_together(browser, boss):
    first = SessionFactory()
    values = {f.attname: getattr(first, f.attname) for f in Session._meta.fields if f.name != "id"}
    others = Session.objects.bulk_create(Session(**values) for _ in range(9_999))
    url = f"{LIST}?status=live"
    asked = browser.post(url, select("end_selected", first, *others[:49], across=True))
    assert "10000 live sessions will end." in asked.content.decode()
    fields = hidden_fields(asked)
    assert len(fields["_selected_action"]) == 1
    response = browser.post(url, fields, follow=True)
    assert messages_of(response)[0].startswith("10000 sessions were ended.")
    assert not Session.objects.live(timezone.now()).exists()
    assert SessionEvent.objects.filter(kind=EventKind.REVOKED, actor=boss).count() == 10_000
    assert LogEntry.objects.filter(user=boss).count() == 10_000


def test_sessions_that_ended_meanwhile_keep_their_reason_and_are_told_apart(browser):
    first, second = SessionFactory.create_batch(2)
    fields = hidden_fields(browser.post(LIST, select("end_selected", first, second)))
    lifecycle.revoke_session(first.pk)
    response = browser.post(LIST, fields, follow=True)
    assert messages_of(response)[0].startswith("1 session was ended.")
    assert is_ended(second)
    first.refresh_from_db()
    assert first.revocation_reason == RevocationReason.LOGOUT
    again = browser.post(LIST, fields, follow=True)
    assert messages_of(again) == ["No session was ended: none of them was live any more."]


def test_where_nothing_is_live_there_is_nothing_to_confirm(browser):
    over = SessionFactory(ended=True)
    page = browser.get(page_of(over, "end")).content.decode()
    assert "There is nothing to end." in page
    assert 'type="submit"' not in page.partition('id="content-main"')[2]


def test_whoever_was_signed_in_is_refused_at_the_next_request(api, browser, user):
    issued = sign_in(api, user)
    assert api.get("/whoami/").status_code == 200
    browser.post(page_of(issued.session, "end"), {"confirmed": "yes"})
    assert api.get("/whoami/").status_code == 401


def test_the_admin_log_says_who_ended_whose_session_and_when(browser, boss):
    live = SessionFactory(user__username="anna", device_name="phone")
    with time_machine.travel("2030-01-02T03:04:05Z", tick=False):
        live = SessionFactory(user=live.user, device_name="phone")
        browser.force_login(boss)
        browser.post(page_of(live, "end"), {"confirmed": "yes"})
        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_id, entry.action_flag) == (boss, str(live.pk), CHANGE)
        assert entry.object_repr == "anna: phone"
        assert entry.action_time == timezone.now()
        assert "Ended the session." in browser.get(page_of(live, "history")).content.decode()


def test_the_audit_trail_says_who_ended_it_from_where_and_why(boss, browser, settings):
    settings.TOKEN_LIFECYCLE = {"TRUSTED_PROXIES": 1}
    live = SessionFactory()
    browser.post(
        page_of(live, "end"),
        {"confirmed": "yes"},
        headers={"X-Forwarded-For": "203.0.113.7", "User-Agent": "the browser of staff"},
    )
    event = SessionEvent.objects.get(kind=EventKind.REVOKED)
    assert (event.session_id, event.user, event.actor) == (live.pk, live.user, boss)
    assert event.reason == RevocationReason.ADMIN
    assert (event.ip_address, event.user_agent) == ("203.0.113.7", "the browser of staff")


def test_log_and_end_stand_or_fall_together(browser, monkeypatch):
    live = SessionFactory()

    def fail(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr(LogEntry.objects, "bulk_create", fail)
    with pytest.raises(RuntimeError):
        browser.post(page_of(live, "end"), {"confirmed": "yes"})
    assert not is_ended(live)


@pytest.mark.parametrize("what", ["end", "delete"])
@pytest.mark.django_db(transaction=True)
def test_a_busy_database_is_a_message_and_nothing_has_happened(browser, monkeypatch, what):
    live = SessionFactory()

    def lose(*args, **kwargs):
        raise OperationalError(1213, "Deadlock found")

    monkeypatch.setattr(lifecycle, "revoke_sessions", lose)
    response = browser.post(page_of(live, what), {"confirmed": "yes"}, follow=True)
    assert messages_of(response) == [
        "The database was busy, and nothing was changed. Please try again."
    ]
    assert not is_ended(live)


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("database", "refused at their next request."),
        ("memory", "refused within moments."),
        ("none", "until they expire, for up to 15 minutes."),
    ],
)
def test_the_page_that_asks_says_how_fast_access_dies(browser, settings, mode, sentence):
    settings.TOKEN_LIFECYCLE = {"REVOCATION_CHECK": mode}
    assert sentence in browser.get(page_of(SessionFactory(), "end")).content.decode()


@pytest.mark.urls("tests.test_admin")
@pytest.mark.parametrize("action", ["end_selected", "end_all_of_users", "delete_selected"])
@pytest.mark.parametrize("across", [False, True])
def test_posted_ids_outside_of_a_restricted_queryset_end_nothing(browser, action, across):
    inside = SessionFactory()
    outside = SessionFactory(user=staff())
    query = f"?q={inside.user.username}" if across else ""
    data = select(action, inside, outside, confirmed=True, across=across)
    assert browser.post(LIST + query, data).status_code == 302
    assert is_ended(inside)
    assert not is_ended(outside)


@pytest.mark.urls("tests.test_admin")
@pytest.mark.parametrize("what", ["end", "end-others", "end-all", "delete"])
def test_the_page_of_a_session_outside_of_a_restricted_queryset_is_missing(browser, what):
    outside = SessionFactory(user=staff())
    assert browser.post(page_of(outside, what), {"confirmed": "yes"}).status_code == 404
    assert not is_ended(outside)


@pytest.mark.urls("tests.test_admin")
@pytest.mark.parametrize("button", [False, True])
def test_all_sessions_of_a_user_are_those_inside_of_a_restricted_queryset(browser, button):
    inside = SessionFactory()
    also_inside = SessionFactory(user=inside.user)
    outside = SessionFactory(user=inside.user, auth_method="sso")
    if button:
        browser.post(page_of(inside, "end-all"), {"confirmed": "yes"})
    else:
        browser.post(LIST, select("end_all_of_users", inside, confirmed=True))
    assert is_ended(inside)
    assert is_ended(also_inside)
    assert not is_ended(outside)


@pytest.mark.parametrize("what", ["end", "end-others", "end-all", "delete"])
def test_whoever_may_not_end_a_session_is_not_told_whether_it_exists(what):
    browser = browser_of(staff("view_session"))
    missing = SessionFactory.build(user=None, auth_hash="")
    for session in (SessionFactory(), missing):
        assert browser.post(page_of(session, what), {"confirmed": "yes"}).status_code == 403


def test_all_sessions_of_nobody_cannot_be_ended(browser):
    orphan, other = SessionFactory.create_batch(2, user=None, auth_hash="")
    assert browser.get(page_of(orphan, "end-all")).status_code == 404
    assert "of this user" not in browser.get(page_of(orphan)).content.decode()
    browser.post(LIST, select("end_all_of_users", orphan, confirmed=True))
    assert not is_ended(orphan)
    assert not is_ended(other)


@pytest.mark.parametrize("key", ["", "abc", "1", "0" * 10_000, "\0", "{key}extra"])
def test_a_posted_key_that_is_none_is_a_bad_request(browser, key):
    live = SessionFactory()
    data = select("end_selected", confirmed=True)
    data["_selected_action"] = [str(live.pk), key.format(key=live.pk)]
    assert browser.post(LIST, data).status_code == 400
    assert not is_ended(live)


def test_a_page_address_that_names_no_session_is_missing(browser):
    missing = SessionFactory.build(user=None, auth_hash="")
    for what in ("end", "end-others", "end-all", "delete"):
        assert browser.get(page_of(missing, what)).status_code == 404
        assert browser.get(f"{LIST}abc/{what}/").status_code in (302, 404)


# Deleting


def test_deleting_a_live_session_ends_it_and_keeps_the_row(api, browser, boss, user):
    issued = sign_in(api, user)
    row = issued.session
    page = browser.get(page_of(row, "delete")).content.decode()
    assert "1 session is live and will be ended." in page
    response = browser.post(page_of(row, "delete"), {"confirmed": "yes"}, follow=True)
    told = " ".join(messages_of(response))
    assert "1 session was ended." in told
    assert "stays on the list" in told
    assert is_ended(row)
    assert row.revocation_reason == RevocationReason.ADMIN
    assert api.get("/whoami/").status_code == 401
    assert [entry.action_flag for entry in LogEntry.objects.all()] == [CHANGE]


def test_a_session_that_just_ended_stays_until_its_last_access_token_has_expired(browser):
    ended = SessionFactory(ended=True)
    page = browser.get(page_of(ended, "delete")).content.decode()
    assert "1 ended session stays on the list" in page
    assert "Yes, delete" not in page
    browser.post(page_of(ended, "delete"), {"confirmed": "yes"})
    assert Session.objects.filter(pk=ended.pk).exists()


@pytest.mark.parametrize("state", [{"idle": True}, {"expired": True}, {"ended": True}])
def test_deleting_a_session_that_is_over_removes_it_and_keeps_the_trail(browser, boss, state):
    with time_machine.travel(timezone.now() - timedelta(minutes=16)):
        over = SessionFactory(**state, user__username="anna", device_name="phone")
        SessionEvent.objects.create(kind="started", session=over, created_at=timezone.now())
    response = browser.post(page_of(over, "delete"), {"confirmed": "yes"}, follow=True)
    assert messages_of(response) == ["1 session was removed."]
    assert not Session.objects.exists()
    assert SessionEvent.objects.count() == 1
    entry = LogEntry.objects.get()
    assert (entry.action_flag, entry.object_repr, entry.user) == (DELETION, "anna: phone", boss)


def test_deleting_a_selection_does_to_each_what_its_state_asks_for(browser):
    live, just_ended, expired = SessionFactory(), SessionFactory(ended=True), SessionFactory()
    Session.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
    asked = browser.post(LIST, select("delete_selected", live, just_ended, expired))
    page = asked.content.decode()
    assert "1 session is live and will be ended." in page
    assert "1 session is over and will be removed." in page
    assert "2 ended sessions stay on the list" in page
    browser.post(LIST, hidden_fields(asked))
    assert set(Session.objects.values_list("pk", flat=True)) == {live.pk, just_ended.pk}
    assert is_ended(live)


def test_a_session_that_was_used_again_before_it_was_removed_stays():
    used = SessionFactory()
    assert deleting._remove([used.pk], timezone.now()) == 0
    assert Session.objects.filter(pk=used.pk).exists()


def test_whatever_deletes_through_the_admin_ends_live_sessions(browser, boss, rf):
    request = rf.post("/")
    request.user = boss
    site_admin = admin.site.get_model_admin(Session)
    one, two = SessionFactory.create_batch(2)
    site_admin.delete_model(request, one)
    site_admin.delete_queryset(request, Session.objects.filter(pk=two.pk))
    assert is_ended(one)
    assert is_ended(two)


def test_whoever_may_delete_without_looking_comes_out_at_the_index():
    over = SessionFactory(expired=True)
    browser = browser_of(staff("delete_session"))
    response = browser.post(page_of(over, "delete"), {"confirmed": "yes"})
    assert response.url == reverse("admin:index")


def test_a_project_that_took_delete_from_its_site_does_not_get_it_back(boss, rf):
    site = AdminSite()
    request = rf.get("/")
    request.user = boss
    assert "delete_selected" in SessionAdmin(Session, site).get_actions(request)
    site.disable_action("delete_selected")
    assert "delete_selected" not in SessionAdmin(Session, site).get_actions(request)


@pytest.mark.parametrize("across", [False, True])
def test_a_user_with_sessions_can_be_deleted_without_permissions_on_sessions(across):
    anna = UserFactory(username="anna")
    live = SessionFactory(user=anna)
    lifecycle.revoke_session(SessionFactory(user=anna).pk, actor=anna)
    browser = browser_of(staff("view_user", "delete_user"))
    if across:
        data = {"action": "delete_selected", "_selected_action": [anna.pk], "post": "yes"}
        browser.post("/admin/auth/user/", data)
    else:
        browser.post(f"/admin/auth/user/{anna.pk}/delete/", {"post": "yes"})
    assert not get_user_model().objects.filter(username="anna").exists()
    assert is_ended(live)
    assert live.revocation_reason == RevocationReason.USER_DELETED
    assert live.user is None


# Looking


PAGES = {
    "list": lambda b, s: b.get(LIST),
    "page": lambda b, s: b.get(page_of(s)),
    "history": lambda b, s: b.get(page_of(s, "history")),
    "end": lambda b, s: b.get(page_of(s, "end")),
    "end all": lambda b, s: b.get(page_of(s, "end-all")),
    "end others": lambda b, s: b.get(page_of(s, "end-others")),
    "end all of": lambda b, s: b.get(all_of(s.user_id)),
    "user": lambda b, s: b.get(f"/admin/auth/user/{s.user_id}/change/"),
    "delete": lambda b, s: b.get(page_of(s, "delete")),
    "action": lambda b, s: b.post(LIST, select("end_selected", s)),
    "trail": lambda b, s: b.get(EVENTS),
    "event": lambda b, s: b.get(f"{EVENTS}{SessionEvent.objects.latest('pk').pk}/change/"),
    "message": lambda b, s: b.post(page_of(s, "end"), {"confirmed": "yes"}, follow=True),
    "index": lambda b, s: b.get("/admin/"),
}

EVIL = "<script>alert('x')</script>"


def evil_session():
    session = SessionFactory(
        user__username=EVIL, user_agent=f'{EVIL}" onload="x', device_name=EVIL, auth_method="<b>"
    )
    Session.objects.filter(pk=session.pk).update(auth_hash_next="c0ffee" * 8)
    session.refresh_from_db()
    SessionEvent.objects.create(
        kind=EventKind.NEW_CLIENT,
        session=session,
        user=session.user,
        actor=session.user,
        user_agent=session.user_agent,
        created_at=timezone.now(),
    )
    return session


@pytest.mark.parametrize("page", PAGES)
def test_what_clients_sent_is_escaped_on_every_page(browser, page):
    session = evil_session()
    browser.post(
        page_of(SessionFactory(user=session.user, device_name=EVIL), "end"), {"confirmed": 1}
    )
    text = PAGES[page](browser, session).content.decode()
    assert "<script>alert" not in text
    assert '" onload="x' not in text
    assert "<b>" not in text


@pytest.mark.parametrize("page", PAGES)
def test_no_page_shows_a_digest_a_hash_or_a_password(browser, page):
    session = evil_session()
    text = PAGES[page](browser, session).content.decode()
    for secret in (session.secret_digest, session.auth_hash, session.auth_hash_next):
        assert secret
        assert secret not in text
    assert session.user.password not in text


@pytest.mark.parametrize("page", PAGES)
def test_no_page_so_much_as_reads_a_digest_or_a_hash(browser, page):
    session = evil_session()
    with CaptureQueriesContext(connection) as captured:
        PAGES[page](browser, session)
    statements = " ".join(query["sql"] for query in captured)
    assert "secret_digest" not in statements
    assert "auth_hash" not in statements


@pytest.mark.parametrize(
    "query",
    [
        "secret_digest__startswith=a",
        "secret_digest=a",
        "auth_hash__startswith=a",
        "auth_hash_next__regex=a",
        "burst_generation=1",
        "user__password__startswith=a",
        "user__email__startswith=a",
        "events__user__password__startswith=a",
        "_to_field=secret_digest",
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_can_filter_by_what_no_page_shows(browser, query, method):
    SessionFactory()
    assert getattr(browser, method)(f"{LIST}?{query}").status_code == 400


@pytest.mark.parametrize(
    "query", ["session__secret_digest__startswith=a", "user__password__startswith=a"]
)
def test_the_trail_cannot_be_filtered_by_what_no_page_shows(browser, query):
    assert browser.get(f"{EVENTS}?{query}").status_code == 400


@pytest.mark.parametrize(
    "term",
    [
        "\0",
        "%",
        "_",
        "'",
        '"',
        "\\",
        "x" * 10_000,
        "a " * 5_000,
        "a " * 127,
        "9" * 40,
        "{}",
        "é€😀",
    ],
)
@pytest.mark.parametrize("url", [LIST, EVENTS])
def test_no_search_is_an_error_and_no_wildcard_finds_everybody(browser, url, term):
    session = SessionFactory(user__username="bob", user__email="")
    SessionEvent.objects.create(
        kind="started", session=session, user=session.user, created_at=timezone.now()
    )
    response = browser.get(url, {"q": term})
    assert response.status_code == 200
    if "\0" not in term:
        assert list(response.context["cl"].result_list) == []


@pytest.mark.parametrize(
    "query",
    [
        "status=nonsense",
        "status=%00",
        "revocation_reason__exact=%00",
        "user_agent__startswith=%00",
        "user__id__exact=abc",
        "user__id__exact=99999999999999999999999",
        "created_at__gte=yesterday",
        "created_at__year=99999999",
        "revoked_at__isnull=maybe",
        "generation__exact=99999999999999999999999",
        "id__exact=abc",
        "p=abc",
        "p=99999",
        "o=1.99.-3.x",
        "nonsense=1",
        "user__nonsense=1",
        "device_name__nonsense=1",
        "_changelist_filters=%00",
    ],
)
def test_no_parameter_of_the_list_is_an_error(browser, query):
    SessionFactory()
    assert browser.get(f"{LIST}?{query}", follow=True).status_code in (200, 400)


@pytest.mark.parametrize("url", [LIST, EVENTS])
def test_a_session_is_found_by_the_name_the_email_and_the_key_of_its_user_and_by_its_own(
    browser, url
):
    anna = UserFactory(username="anna", email="a.person@example.com")
    theirs, other = SessionFactory(user=anna), SessionFactory(user__username="bob")
    for session in (theirs, other):
        SessionEvent.objects.create(
            kind="started", session=session, user=session.user, created_at=timezone.now()
        )
    for term in ("ANN", "person@", str(anna.pk), str(theirs.pk), str(theirs.pk).upper(), " anna "):
        found = browser.get(url, {"q": term}).context["cl"].result_list
        assert [row.user for row in found] == [anna], term


def test_a_user_model_without_an_email_address_is_searched_by_its_user_name(monkeypatch):
    class Phone:
        USERNAME_FIELD = "username"
        EMAIL_FIELD = "no_such_column"
        _meta = get_user_model()._meta

    monkeypatch.setattr(searching, "get_user_model", lambda: Phone)
    assert searching.user_text_fields() == ["username", "first_name", "last_name"]
    Phone.EMAIL_FIELD = "username"
    assert searching.user_text_fields() == ["username", "first_name", "last_name"]
    Phone.USERNAME_FIELD = "groups"  # a relation has no text to be searched
    assert searching.user_text_fields() == ["username", "first_name", "last_name"]


def test_the_filter_finds_exactly_the_sessions_that_say_so_of_themselves(browser):
    now = timezone.now()
    for idle in (-1, 0, 1):
        for absolute in (-1, 0, 1):
            for ended in ({}, {"ended": True}):
                SessionFactory(
                    idle_expires_at=now + timedelta(seconds=idle),
                    expires_at=now + timedelta(seconds=absolute),
                    **ended,
                )
    assert set(CONDITIONS) == set(SessionStatus)
    for status, condition in CONDITIONS.items():
        found = set(condition(Session.objects.all(), now))
        assert found == {row for row in Session.objects.all() if row.status(now) == status}
        assert found


def test_the_list_can_be_filtered_by_status_and_reason(browser):
    live, over = SessionFactory(), SessionFactory(reused=True)
    for query, row in (
        ("status=live", live),
        ("status=ended", over),
        ("revocation_reason__exact=reuse_detected", over),
        ("revoked_at__isnull=True", live),
    ):
        response = browser.get(f"{LIST}?{query}")
        assert list(response.context["cl"].result_list) == [row], query
    everything = browser.get(f"{LIST}?status=live&_facets=True")
    assert everything.status_code == 200


def test_the_list_says_what_each_session_is(browser):
    SessionFactory(device_name="phone")
    SessionFactory(idle=True)
    SessionFactory(expired=True)
    SessionFactory(reused=True)
    page = browser.get(LIST).content.decode()
    for text in (
        "live",
        "expired, idle for too long",
        "expired",
        "ended: refresh token used twice",
    ):
        assert f">{text}<" in page
    for heading in ("User", "Device", "IP address", "Status", "Signed in", "Last used", "Expires"):
        assert heading in page


@pytest.mark.parametrize(
    ("name", "user_agent", "shown"),
    [
        ("Anna's phone", "curl/8", "Anna's phone"),
        ("", "curl/8", "curl/8"),
        ("", "", "unknown device"),
        ("", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "Firefox on Linux"),
    ],
)
def test_a_device_is_called_by_its_name_or_by_what_its_user_agent_tells(name, user_agent, shown):
    session = Session(device_name=name, user_agent=user_agent)
    assert columns.device_of(session) == shown


def test_the_trail_is_shown_to_whoever_may_read_it(browser):
    session = evil_session()
    assert "What happened" in browser.get(page_of(session)).content.decode()
    viewer = browser_of(staff("view_session"))
    assert "What happened" not in viewer.get(page_of(session)).content.decode()


@pytest.mark.urls("tests.test_admin")
def test_a_site_without_the_trail_shows_a_session_without_it(browser):
    assert "What happened" not in browser.get(page_of(SessionFactory())).content.decode()


def test_an_event_links_to_its_session_as_long_as_there_is_one(browser):
    kept = SessionFactory()
    now = timezone.now()
    SessionEvent.objects.create(kind="started", session=kept, created_at=now)
    gone = SessionEvent.objects.create(kind="started", session=SessionFactory(), created_at=now)
    SessionEvent.objects.create(kind="limit_reached", user=kept.user, created_at=now)
    Session.objects.filter(pk=gone.session_id).delete()
    page = browser.get(EVENTS).content.decode()
    assert f'href="{page_of(kept)}"' in page
    assert f"…{str(gone.session_id)[-8:]}" in page
    assert f"{gone.session_id}/change/" not in page
    event = browser.get(f"{EVENTS}{gone.pk}/change/").content.decode()
    assert str(gone.session_id) in event
    assert f"{gone.session_id}/change/" not in event


@pytest.mark.parametrize("what", ["add/", "{}/change/", "{}/delete/"])
def test_nobody_writes_to_the_trail_not_even_a_superuser(browser, what):
    session = evil_session()
    url = EVENTS + what.format(session.events.get().pk)
    assert browser.post(url, {"post": "yes", "confirmed": "yes"}).status_code == 403
    assert "delete_selected" not in browser.get(EVENTS).content.decode()
    assert session.events.count() == 1


# Cost


def statements(work):
    with CaptureQueriesContext(
        connection,
    ) as captured:
        work()
    return len(captured)


@pytest.mark.parametrize("page", ["list", "trail", "ask", "end", "end all of users", "delete"])
def test_the_number_of_statements_does_not_grow_with_the_rows(boss, page):
    def measure(count):
        rows = SessionFactory.create_batch(count, user_agent=f"run {count}")
        now = timezone.now()
        SessionEvent.objects.bulk_create(
            SessionEvent(kind="started", session=r, user=r.user, actor=r.user, created_at=now)
            for r in rows
        )
        browser = browser_of(boss)
        browser.get("/admin/")
        ContentType.objects.get_for_model(Session)  # kept in memory from then on
        work = {
            "list": lambda: browser.get(LIST),
            "trail": lambda: browser.get(EVENTS),
            "ask": lambda: browser.post(LIST, select("end_selected", *rows)),
            "end": lambda: browser.post(LIST, select("end_selected", *rows, confirmed=True)),
            "end all of users": lambda: browser.post(
                LIST, select("end_all_of_users", *rows, confirmed=True)
            ),
            "delete": lambda: browser.post(LIST, select("delete_selected", *rows, confirmed=True)),
        }[page]
        needed = statements(work)
        SessionEvent.objects.all().delete()
        Session.objects.all().delete()
        return needed

    assert measure(5) == measure(50)


def test_the_api_is_not_touched_by_what_staff_look_at(browser, client, user):
    issued = lifecycle.start_session(user)
    browser.get(page_of(issued.session))
    browser.get(page_of(issued.session, "end"))
    assert client.get("/whoami/", **authorization(issued)).status_code == 200


# Rules of a project about single sessions


class GuardedAdmin(SessionAdmin):
    """As a project would protect an account of its own."""

    def has_end_session_permission(self, request, obj=None):
        allowed = super().has_end_session_permission(request, obj)
        return allowed and (obj is None or obj.device_name != "Robot")


class KeepingAdmin(SessionAdmin):
    """As a project would keep the rows of an account."""

    def has_delete_permission(self, request, obj=None):
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or obj.user is None or obj.user.username != "robot")


def urls_of(admin_class):
    site = AdminSite()
    site.register(Session, admin_class)
    return type("urls", (), {"urlpatterns": [path("admin/", site.urls)]})


@pytest.fixture
def robot():
    return SessionFactory(user__username="robot", device_name="Robot")


BULK_ENDS = {
    "selected": lambda robot, other: (LIST, select("end_selected", robot, other)),
    "across": lambda robot, other: (LIST, select("end_selected", robot, across=True)),
    "of users": lambda robot, other: (LIST, select("end_all_of_users", robot, other)),
    "end all": lambda robot, other: (page_of(other, "end-all"), {}),
    "end others": lambda robot, other: (page_of(other, "end-others"), {}),
    "end all of": lambda robot, other: (all_of(robot.user_id), {}),
    "delete": lambda robot, other: (LIST, select("delete_selected", robot, other)),
    "delete across": lambda robot, other: (LIST, select("delete_selected", other, across=True)),
}


@pytest.mark.parametrize("way", BULK_ENDS)
def test_a_session_that_a_project_protects_ends_by_no_way_that_ends_several(
    browser, settings, robot, way
):
    settings.ROOT_URLCONF = urls_of(GuardedAdmin)
    other = SessionFactory(user=robot.user)
    url, data = BULK_ENDS[way](robot, other)
    page = browser.post(url, data).content.decode()
    assert "is not yours to end" in page or "are not yours to end" in page
    assert "Robot" not in page
    browser.post(url, data | {"confirmed": "yes"})
    assert not is_ended(robot)
    assert is_ended(other) == (way != "end others")


def test_what_a_project_protects_is_not_told_of_as_over(browser, settings, robot):
    settings.ROOT_URLCONF = urls_of(GuardedAdmin)
    page = browser.get(all_of(robot.user_id)).content.decode()
    assert "None of these sessions is live" not in page
    response = browser.post(all_of(robot.user_id), {"confirmed": "yes"}, follow=True)
    assert messages_of(response) == [
        "No session was ended: none of them was live any more and yours to end."
    ]


@pytest.mark.parametrize("across", [False, True])
def test_a_row_that_a_project_keeps_is_not_deleted_with_others(browser, settings, across):
    settings.ROOT_URLCONF = urls_of(KeepingAdmin)
    kept = SessionFactory(user__username="robot", expired=True)
    other = SessionFactory(expired=True)
    wish = select("delete_selected", kept, other, across=across)
    page = browser.post(LIST, wish).content.decode()
    assert "1 session is over and will be removed." in page
    assert "1 session is not yours to end or delete" in page
    browser.post(LIST, wish | {"confirmed": "yes"})
    assert list(Session.objects.all()) == [kept]


@pytest.mark.parametrize("action", ["end_selected", "delete_selected"])
def test_more_than_can_be_decided_of_one_by_one_is_refused(
    browser, settings, monkeypatch, robot, action
):
    settings.ROOT_URLCONF = urls_of(GuardedAdmin)
    monkeypatch.setattr(counting, "BOUND", 1)
    others = SessionFactory.create_batch(2)
    for confirmed in (False, True):
        wish = select(action, *others, across=True, confirmed=confirmed)
        response = browser.post(LIST, wish, follow=True)
        assert "use the command end_sessions" in messages_of(response)[0]
    assert not any(is_ended(session) for session in [robot, *others])


@pytest.mark.parametrize("action", ["end_selected", "delete_selected"])
def test_more_than_a_page_can_do_is_refused_and_the_command_is_named(browser, monkeypatch, action):
    monkeypatch.setattr(ending, "AT_ONCE", 2)
    monkeypatch.setattr(deleting, "AT_ONCE", 2)
    rows = SessionFactory.create_batch(3)
    for confirmed in (False, True):
        wish = select(action, rows[0], across=True, confirmed=confirmed)
        response = browser.post(LIST, wish, follow=True)
        assert messages_of(response) == [
            "More than 2 sessions are selected. Select fewer, or use the command end_sessions."
        ]
    assert not any(is_ended(session) for session in rows)


def test_without_rules_of_a_project_no_statement_asks_for_single_sessions(browser, settings):
    rows = SessionFactory.create_batch(2)
    with CaptureQueriesContext(connection) as usual:
        browser.post(LIST, select("end_selected", *rows))
    settings.ROOT_URLCONF = urls_of(GuardedAdmin)
    with CaptureQueriesContext(connection) as guarded:
        browser.post(LIST, select("end_selected", *rows))
    assert len(usual) < len(guarded)


def test_whoever_may_not_end_learns_which_rows_stand_in_the_way_of_deleting():
    live = SessionFactory()
    browser = browser_of(staff("view_session", "delete_session"))
    response = browser.post(LIST, select("delete_selected", live), follow=True)
    assert messages_of(response) == [
        "Live sessions are selected, which you may not end. Select only what is over."
    ]


OWN = "Your own sign-in is among them"


def told_as(session):
    """A middleware that knows which session is looking, as that of ``browser_sessions`` does."""

    def middleware(get_response):
        def answer(request):
            request.token_session_id = session.pk
            return get_response(request)

        return answer

    return middleware


@pytest.mark.parametrize("what", ["end", "end-all", "delete"])
def test_the_page_that_asks_says_that_ones_own_sign_in_ends(browser, boss, settings, what):
    own, other = SessionFactory(user=boss), SessionFactory(user=boss)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.own_session"]
    globals()["own_session"] = told_as(own)
    assert OWN in browser.get(page_of(own, what)).content.decode()
    assert (OWN in browser.get(page_of(other, what)).content.decode()) == (what == "end-all")
    assert OWN not in browser.get(page_of(own, "end-others")).content.decode()


def test_ones_own_sign_in_is_told_of_beyond_what_is_looked_at(browser, boss, settings, monkeypatch):
    own = SessionFactory(user=boss)
    newer = SessionFactory.create_batch(2)
    monkeypatch.setattr(counting, "BOUND", 1)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.own_session"]
    globals()["own_session"] = told_as(own)
    page = browser.post(LIST, select("end_selected", newer[0], across=True)).content.decode()
    assert OWN in page


# What the lists are called and narrowed to


def subtitle_of(browser, url):
    return browser.get(url).context["subtitle"]


def test_a_list_that_a_link_has_narrowed_says_to_what(browser):
    session = SessionFactory(user__username="anna")
    event_of(session)
    user, key = session.user_id, session.pk
    assert subtitle_of(browser, LIST) is None
    assert subtitle_of(browser, f"{LIST}?user={user}") == "Sessions of anna"
    assert subtitle_of(browser, f"{LIST}?user__id__exact={user}") == "Sessions of anna"
    assert subtitle_of(browser, f"{EVENTS}?user={user}") == "Session events of anna"
    for query in (f"session={key}", f"session__id__exact={key}"):
        assert subtitle_of(browser, f"{EVENTS}?{query}") == f"Session events of session {key}"
    assert "Show all" in browser.get(f"{LIST}?user={user}").content.decode()
    assert subtitle_of(browser, f"{LIST}?user={UserFactory().pk}") is None


def test_all_can_be_shown_again_where_a_narrowed_list_is_too_long_to_count(browser, monkeypatch):
    monkeypatch.setattr(counting, "BOUND", 1)
    user = UserFactory()
    SessionFactory.create_batch(2, user=user)
    assert ">Show all</a>" in browser.get(f"{LIST}?user={user.pk}").content.decode()


@pytest.mark.parametrize("lookup", ["regex", "iregex"])
@pytest.mark.parametrize("field", ["user_agent", "revocation_reason", "device_name"])
def test_no_list_is_narrowed_by_a_pattern(browser, lookup, field):
    """One that is none would be an error of the database."""
    for pattern in ("(", "a"):
        assert browser.get(LIST, {f"{field}__{lookup}": pattern}).status_code == 400
    assert browser.get(EVENTS, {f"user_agent__{lookup}": "("}).status_code == 400


@pytest.mark.parametrize("query", [f"{LIST}?status=lvie", f"{EVENTS}?event=strated"])
@pytest.mark.parametrize("more", ["", ":logout"])
def test_a_filter_with_a_value_that_is_none_does_not_show_everything(browser, query, more):
    response = browser.get(query + more)
    assert response.status_code == 302
    assert response.url.endswith("?e=1")


def test_a_session_of_a_deleted_user_says_so(browser):
    session = SessionFactory(ended=True)
    session.user.delete()
    assert "deleted user</a>" in browser.get(LIST).content.decode()
    assert browser.get(page_of(session)).content.decode().count("deleted user") >= 3


@pytest.mark.parametrize("address", ["2001:db8::7", "2001:0DB8:0::0007"])
def test_an_address_finds_the_sessions_and_events_from_there(browser, address):
    there = SessionFactory(ip_address="2001:db8::7")
    SessionFactory(ip_address="192.0.2.1")
    event = event_of(there)
    SessionEvent.objects.filter(pk=event.pk).update(ip_address="2001:db8::7")
    event_of(there)
    assert list(browser.get(LIST, {"q": address}).context["cl"].result_list) == [there]
    assert list(browser.get(EVENTS, {"q": address}).context["cl"].result_list) == [event]


def test_a_session_is_found_by_the_first_and_the_last_name_of_its_user(browser):
    session = SessionFactory(user__first_name="Grete", user__last_name="Hermann")
    SessionFactory()
    for term in ("grete", "Hermann", "hermann gre"):
        assert list(browser.get(LIST, {"q": term}).context["cl"].result_list) == [session]


def test_the_admin_log_is_in_the_language_of_the_project_whoever_acts(browser, settings):
    settings.LANGUAGE_CODE = "en"
    session = SessionFactory(device_name="", user_agent="")
    with translation.override("de"):
        assert "Sitzung" in browser.get(page_of(session, "end")).content.decode()
        browser.post(page_of(session, "end"), {"confirmed": "yes"})
        browser.get(f"{EVENTS}export/?format=csv")
        browser.post(f"{LIST}end-everybody/", {"phrase": everybody.phrase()})
    log = LogEntry.objects.order_by("pk").values_list("object_repr", "change_message")
    assert list(log) == [
        (f"{session.user}: unknown device", "Ended the session."),
        ("session events", "Exported as CSV: everything."),
        ("everybody", "Logged everyone out."),
    ]
