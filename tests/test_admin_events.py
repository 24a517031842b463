"""The audit trail's pages in the admin, and the file that can be taken away."""

import asyncio
import csv
import io
import json
import re

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.contrib.admin.sites import AdminSite
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.test import AsyncRequestFactory
from django.urls import path
from django.utils import timezone

from tests.test_admin import browser_of, page_of, staff
from token_lifecycle import trail
from token_lifecycle.admin import SessionEventAdmin, exporting, searching
from token_lifecycle.models import EventKind, RevocationReason, SessionEvent
from token_lifecycle.testing import SessionFactory, UserFactory

pytestmark = pytest.mark.django_db

EVENTS = "/admin/token_lifecycle/sessionevent/"
EXPORT = f"{EVENTS}export/"


class OneTenantAdmin(SessionEventAdmin):
    """As a project would show its staff what happened to some users only."""

    def get_queryset(self, request):
        return super().get_queryset(request).filter(user__is_staff=False).distinct()


tenant_site = AdminSite()
tenant_site.register(SessionEvent, OneTenantAdmin)
urlpatterns = [path("admin/", tenant_site.urls)]


@pytest.fixture
def boss():
    return UserFactory(is_staff=True, is_superuser=True, username="boss")


@pytest.fixture
def browser(boss):
    return browser_of(boss)


def record(session=None, **fields):
    fields = {"kind": EventKind.STARTED, "created_at": timezone.now(), **fields}
    user = session.user if session is not None else None
    return SessionEvent.objects.create(session=session, **{"user": user, **fields})


def listed(browser, query=""):
    return list(browser.get(EVENTS + query).context["cl"].result_list)


def exported(browser, query=""):
    """The keys of the events in the file."""
    response = browser.get(f"{EXPORT}?format=json{query}")
    assert response.status_code == 200
    return [json.loads(line)["id"] for line in response.getvalue().splitlines()]


# The list and the page of an event


def test_each_line_says_in_words_what_happened_to_whom_by_whom_and_why(browser):
    session = SessionFactory(user__username="anna")
    record(session, kind=EventKind.REVOKED, reason="admin", actor=UserFactory(username="helper"))
    page = browser.get(EVENTS).content.decode()
    assert "ended: ended by staff" in page
    assert "<bdi>anna</bdi>" in page
    assert "<bdi>helper</bdi>" in page
    assert f'href="{page_of(session)}"' in page


def test_users_and_sessions_are_links_for_whoever_may_follow_them():
    session = SessionFactory()
    event = record(session, actor=session.user)
    to_user = f'href="/admin/auth/user/{session.user_id}/change/"'
    for page in (EVENTS, f"{EVENTS}{event.pk}/change/"):
        sees_all = browser_of(staff("view_sessionevent", "view_session", "view_user"))
        text = sees_all.get(page).content.decode()
        assert text.count(to_user) == 2
        assert page_of(session) in text
        sees_trail = browser_of(staff("view_sessionevent"))
        text = sees_trail.get(page).content.decode()
        assert to_user not in text
        assert page_of(session) not in text
        assert f"<bdi>{session.user}</bdi>" in text


def test_what_a_deleted_user_did_is_still_told(browser):
    session = SessionFactory()
    record(session)
    session.user.delete()
    assert "deleted user" in browser.get(EVENTS).content.decode()


def test_the_page_of_an_event_leads_to_the_others_of_its_session(browser):
    session = SessionFactory()
    event, other = record(session), record(session, kind=EventKind.NEW_CLIENT)
    record()
    page = browser.get(f"{EVENTS}{event.pk}/change/").content.decode()
    url = re.search(r'href="([^"]+)">All events of this session', page)[1]
    assert url.startswith(EVENTS)
    assert listed(browser, url.removeprefix(EVENTS)) == [other, event]


def test_an_event_about_nobody_has_a_page_too(browser):
    event = record(kind=EventKind.EVERYBODY_ENDED)
    page = browser.get(f"{EVENTS}{event.pk}/change/")
    assert page.status_code == 200
    assert "everybody signed out" in page.content.decode()


# Filters


def test_one_filter_has_every_kind_and_for_ends_every_reason(browser):
    events = {str(kind): record(kind=kind) for kind in EventKind if kind != EventKind.REVOKED}
    for reason in RevocationReason:
        events[f"revoked:{reason}"] = record(kind=EventKind.REVOKED, reason=reason)
    (choices,) = (
        [lookup for lookup, _ in spec.lookup_choices]
        for spec in browser.get(EVENTS).context["cl"].filter_specs
        if getattr(spec, "parameter_name", "") == "event"
    )
    assert set(choices) == {*events, "revoked"}
    for choice, event in events.items():
        assert listed(browser, f"?event={choice}") == [event], choice
    ends = listed(browser, "?event=revoked")
    assert {event.reason for event in ends} == set(RevocationReason)


@pytest.mark.parametrize(
    "value", ["nonsense", "revoked:nonsense", "started:admin", ":", "%00", "'"]
)
@pytest.mark.parametrize("url", [EVENTS, EXPORT])
def test_no_value_of_the_filter_is_an_error(browser, url, value):
    record()
    response = browser.get(
        f"{url}?event={value}&format=csv" if url == EXPORT else f"{url}?event={value}"
    )
    assert response.status_code in (200, 302, 400)


# Export


def test_the_file_holds_what_the_list_shows_and_all_of_it(browser, monkeypatch):
    monkeypatch.setattr(SessionEventAdmin, "list_per_page", 2)
    session = SessionFactory(user__username="anna")
    wanted = [record(session, kind=EventKind.NEW_CLIENT).pk for _ in range(5)]
    record(session)
    record(SessionFactory(user__username="bob"), kind=EventKind.NEW_CLIENT)
    assert exported(browser, "&event=new_client&q=anna&p=2") == wanted[::-1]
    assert len(exported(browser)) == 7


def test_the_list_links_to_the_file_with_its_filters(browser):
    record(kind=EventKind.NEW_CLIENT)
    record()
    page = browser.get(f"{EVENTS}?event=new_client&q=").content.decode()
    urls = re.findall(r'href="([^"]+format=(?:csv|json)[^"]*)"', page)
    assert len(urls) == 2
    for url in urls:
        file = browser.get(url.replace("&amp;", "&"))
        assert b"new_client" in file.getvalue()
        assert b"started" not in file.getvalue()


@pytest.mark.parametrize(("form", "kind"), [("csv", "text/csv"), ("json", "application/jsonl")])
def test_the_file_is_downloaded_under_a_name_and_kept_by_no_cache(browser, form, kind):
    record()
    response = browser.get(f"{EXPORT}?format={form}")
    assert response.streaming
    assert response["Content-Type"] == f"{kind}; charset=utf-8"
    assert re.fullmatch(
        rf'attachment; filename="session-events-\d{{8}}T\d{{6}}Z\.{form}"',
        response["Content-Disposition"],
    )
    assert "no-store" in response["Cache-Control"]
    assert response["X-Content-Type-Options"] == "nosniff"


def test_a_user_agent_is_no_formula_in_the_csv_of_the_admin(browser):
    record(user_agent="=cmd|' /C calc'!A0")
    text = browser.get(f"{EXPORT}?format=csv").getvalue().decode()
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["user_agent"] == "'=cmd|' /C calc'!A0"


@pytest.mark.parametrize("query", ["", "?format=", "?format=xml", "?format=CSV", "?format=%00"])
def test_a_form_that_is_none_is_a_bad_request_and_no_export(browser, query):
    assert browser.get(EXPORT + query).status_code == 400
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "created_at__gte=yesterday",
        "created_at__gte=%00",
        "user__id__exact=abc",
        "nonsense=1",
        "user__password__startswith=a",
        "session__secret_digest__startswith=a",
        "_to_field=user_agent",
    ],
)
def test_a_filter_that_the_list_refuses_is_a_bad_request_and_no_export(browser, query):
    record()
    assert browser.get(f"{EXPORT}?format=csv&{query}").status_code == 400
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("query", ["p=abc", "p=99999", "o=1.99.-3.x", "all=", "q=" + "x" * 5000])
def test_what_concerns_the_page_alone_does_not_concern_the_file(browser, query):
    record()
    assert browser.get(f"{EXPORT}?format=csv&{query}").status_code == 200


@pytest.mark.parametrize("method", ["post", "head", "put", "delete", "options"])
def test_only_a_get_exports(browser, method):
    record()
    assert getattr(browser, method)(f"{EXPORT}?format=csv").status_code == 405
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize(
    ("person", "status"),
    [
        (lambda: None, 302),
        (UserFactory, 302),
        (staff, 403),
        (lambda: staff("view_session", "end_session"), 403),
        (lambda: staff("view_sessionevent"), 200),
    ],
)
def test_whoever_may_read_the_trail_may_take_it_away_and_nobody_else(person, status):
    record()
    assert browser_of(person()).get(f"{EXPORT}?format=csv").status_code == status
    assert LogEntry.objects.exists() == (status == 200)


@pytest.mark.urls("tests.test_admin_events")
def test_the_file_holds_no_event_outside_of_a_restricted_queryset(browser):
    inside, outside = record(SessionFactory()), record(SessionFactory(user=staff()))
    assert exported(browser) == [inside.pk]
    assert exported(browser, f"&q={outside.user.username}") == []
    assert exported(browser, f"&session__id__exact={outside.session_id}") == []


def test_the_admin_log_says_who_exported_what(browser, boss):
    record(kind=EventKind.REUSE_DETECTED)
    exported(browser, "&event=reuse_detected&created_at__gte=2020-01-01T00:00Z")
    exported(browser)
    everything, filtered = LogEntry.objects.order_by("-pk")
    assert filtered.user == everything.user == boss
    assert filtered.content_type.model_class() is SessionEvent
    assert (
        filtered.change_message
        == "Exported as JSON: event=reuse_detected, created_at__gte=2020-01-01T00:00Z."
    )
    assert everything.change_message == "Exported as JSON: everything."


def test_what_was_searched_is_escaped_where_the_log_is_shown(browser):
    browser.get(EXPORT, {"format": "csv", "q": "<script>alert('x')</script>"})
    assert LogEntry.objects.exists()
    assert "<script>alert" not in browser.get("/admin/").content.decode()


def test_without_an_entry_in_the_log_nothing_leaves(browser, monkeypatch):
    record()

    def fail(*args, **kwargs):
        raise ImproperlyConfigured

    monkeypatch.setattr(LogEntry.objects, "create", fail)
    with pytest.raises(ImproperlyConfigured):
        browser.get(f"{EXPORT}?format=csv")


def test_a_search_that_leaves_users_out_is_no_export_for_a_file_does_not_say_so(
    browser, monkeypatch
):
    monkeypatch.setattr(searching, "USERS", 1)
    for name in ("anna1", "anna2"):
        record(SessionFactory(user__username=name))
    response = browser.get(f"{EXPORT}?format=csv&q=anna&event=started", follow=True)
    assert response.redirect_chain == [(f"{EVENTS}?q=anna&event=started", 302)]
    told = [str(message) for message in response.context["messages"]]
    assert told[0].startswith("The search finds more users than can be shown.")
    assert not LogEntry.objects.exists()
    assert len(exported(browser, "&q=anna1")) == 1


@pytest.mark.django_db(transaction=True)
def test_a_server_that_speaks_asgi_streams_piece_by_piece(boss, monkeypatch):
    monkeypatch.setattr(trail, "CHUNK", 2)
    for _ in range(5):
        record()
    request = AsyncRequestFactory().get(f"{EXPORT}?format=json")
    request.user = boss
    response = exporting._file(
        request, trail.export(SessionEvent.objects.all(), trail.Format.JSON), trail.Format.JSON
    )
    assert response.is_async

    async def read():
        pieces = [piece async for piece in response]
        # Read in a thread, which has a connection of its own.
        await sync_to_async(connections.close_all)()
        return pieces

    pieces = asyncio.run(read())
    assert [len(piece.splitlines()) for piece in pieces] == [2, 2, 1]
