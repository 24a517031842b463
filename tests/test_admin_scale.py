"""The lists of the admin with very many rows: what they count, find, and read."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.admin.sites import AdminSite
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils import timezone

from tests.sign_ins import START
from tests.test_admin import browser_of, hidden_fields, messages_of, select, staff
from token_lifecycle import everybody
from token_lifecycle.admin import SessionAdmin, counting, deleting, searching
from token_lifecycle.admin.filters import CONDITIONS, first_key
from token_lifecycle.models import EventKind, Session, SessionEvent
from token_lifecycle.testing import SessionFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST = "/admin/token_lifecycle/session/"
EVENTS = "/admin/token_lifecycle/sessionevent/"


class OneTenantAdmin(SessionAdmin):
    """As a project would restrict its staff, and whom their search may look at."""

    def get_queryset(self, request):
        return super().get_queryset(request).filter(user__is_staff=False).distinct()

    def searched_users(self, request):
        return super().searched_users(request).filter(is_staff=False)


class AddressAdmin(SessionAdmin):
    """As a project would search by more than the user."""

    search_fields = ("ip_address", "user__username")


class EmailAdmin(SessionAdmin):
    search_fields = ("user__email",)


SITES = {}
for each in (OneTenantAdmin, AddressAdmin, EmailAdmin):
    SITES[each.__name__] = AdminSite(name=each.__name__)
    SITES[each.__name__].register(Session, each)
urlpatterns = [path(f"{name}/", site.urls) for name, site in SITES.items()]
urlpatterns += [path("admin/", AdminSite().urls)]


@pytest.fixture
def boss():
    return UserFactory(is_staff=True, is_superuser=True, username="boss")


@pytest.fixture
def browser(boss):
    return browser_of(boss)


@pytest.fixture
def bound(monkeypatch):
    """Lists that count to four, on pages of two."""
    monkeypatch.setattr(counting, "BOUND", 4)
    monkeypatch.setattr(SessionAdmin, "list_per_page", 2)
    return 4


def listed(browser, query="", url=LIST):
    response = browser.get(url, query)
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


def text_of(response):
    return re.sub(r"\s+", " ", response.content.decode())


def statements(work):
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


# Counting


def test_a_list_that_is_longer_than_the_bound_says_so_and_ends_there(browser, bound):
    SessionFactory.create_batch(6)
    page = text_of(browser.get(LIST))
    assert "more than 4 sessions" in page
    assert "Select all sessions: more than 4" in page
    assert "All selected: more than 4" in page
    assert "?p=2" in page
    assert len(listed(browser, {"p": 2})) == 2
    assert browser.get(LIST, {"p": 3}).url == f"{LIST}?e=1"


@pytest.mark.parametrize("count", [3, 4])
def test_a_list_up_to_the_bound_is_counted_exactly(browser, bound, count):
    SessionFactory.create_batch(count)
    page = text_of(browser.get(LIST))
    assert f"{count} sessions" in page
    assert f"Select all {count} sessions" in page
    assert "more than" not in page


def test_a_list_that_is_not_counted_is_never_shown_on_one_page(browser, bound, monkeypatch):
    monkeypatch.setattr(SessionAdmin, "list_max_show_all", 1000)
    SessionFactory.create_batch(6)
    assert "Show all" not in text_of(browser.get(LIST))
    assert len(listed(browser, {"all": ""})) == 2


def test_the_result_of_a_search_is_counted_in_the_same_way(browser, bound):
    anna = UserFactory(username="anna")
    SessionFactory.create_batch(5, user=anna)
    assert "Found: more than 4." in text_of(browser.get(LIST, {"q": "anna"}))
    anna.token_sessions.first().delete()
    assert "4 results" in text_of(browser.get(LIST, {"q": "anna"}))


def test_numbers_beyond_the_bound_are_written_as_people_do(settings):
    assert str(counting.Count(number=10_000, is_more=True)) == "more than 10,000"
    assert str(counting.Count(number=10_000)) == "10000"
    settings.USE_THOUSAND_SEPARATOR = True
    assert str(counting.Count(number=10_000)) == "10,000"


def test_the_trail_is_counted_to_the_bound_too(browser, monkeypatch):
    monkeypatch.setattr(counting, "BOUND", 4)
    SessionEvent.objects.bulk_create(
        SessionEvent(kind=EventKind.STARTED, created_at=timezone.now()) for _ in range(5)
    )
    assert "more than 4 session events" in text_of(browser.get(EVENTS))


def test_no_statement_of_a_list_counts_without_a_limit(browser):
    for url in (LIST, EVENTS):
        with CaptureQueriesContext(connection) as captured:
            browser.get(url)
        counts = [query["sql"] for query in captured if "COUNT(" in query["sql"]]
        assert len(counts) == 1
        assert "LIMIT 10001" in counts[0]


def test_no_list_offers_to_count_for_each_filter(browser):
    SessionFactory()
    for url in (LIST, EVENTS):
        assert "Show counts" not in text_of(browser.get(url))
        assert "(1)" not in text_of(browser.get(f"{url}?_facets=True"))


def test_all_that_were_found_end_also_beyond_the_bound_and_the_question_says_how_many(
    browser, bound
):
    rows = SessionFactory.create_batch(7)
    SessionFactory(ended=True)
    asked = browser.post(f"{LIST}?status=live", select("end_selected", *rows[:2], across=True))
    page = text_of(asked)
    assert "More than 4 sessions are selected. The numbers are those of the newest 4;" in page
    assert "4 live sessions will end." in page
    assert "4 users are concerned." in page
    done = browser.post(f"{LIST}?status=live", hidden_fields(asked), follow=True)
    assert messages_of(done)[0].startswith("7 sessions were ended.")
    assert not Session.objects.live(timezone.now()).exists()


def test_of_very_many_the_newest_are_named_and_judged_and_all_are_ended(browser, bound):
    live = SessionFactory.create_batch(2)
    over = SessionFactory.create_batch(2, ended=True)
    newest = SessionFactory(user__username="newest")
    asked = browser.post(LIST, select("end_selected", newest, across=True))
    page = text_of(asked)
    assert "2 live sessions will end." in page
    assert "2 more are over already" in page
    assert page.count('<th scope="row">') == 2
    assert "and others" in page
    browser.post(LIST, hidden_fields(asked))
    assert not Session.objects.live(timezone.now()).exists()
    assert {row.pk for row in [*live, *over, newest]} == set(
        Session.objects.values_list("pk", flat=True)
    )


def test_deleting_more_than_the_bound_tells_of_the_newest_and_deletes_all(browser, bound):
    with time_machine.travel(timezone.now() - timedelta(hours=1)):
        over = SessionFactory.create_batch(5, ended=True)
    SessionFactory.create_batch(6)
    SessionFactory.create_batch(2, ended=True)
    asked = browser.post(LIST, select("delete_selected", over[0], across=True))
    page = text_of(asked)
    assert "More than 4 sessions are selected. The numbers are those of the newest 4;" in page
    assert "2 sessions are live and will be ended." in page
    assert "4 ended sessions stay on the list" in page
    assert "and others" in page
    done = messages_of(browser.post(LIST, hidden_fields(asked), follow=True))
    assert done[0] == "5 sessions were removed."
    assert done[1].startswith("6 sessions were ended.")
    assert done[2].startswith("8 ended sessions stay on the list")


def test_the_rows_and_the_database_agree_on_what_deleting_does(settings):
    settings.TOKEN_LIFECYCLE = {"REVOCATION_CHECK": "none"}
    now = timezone.now()
    moments = [now + timedelta(minutes=minutes) for minutes in (-60, -15, -1, 0, 1)]
    for expires_at in moments:
        for idle_expires_at in moments:
            for revoked_at in (None, *moments[:4]):
                reason = "logout" if revoked_at else ""
                SessionFactory(
                    expires_at=expires_at,
                    idle_expires_at=idle_expires_at,
                    revoked_at=revoked_at,
                    revocation_reason=reason,
                    created_at=now - timedelta(days=1),
                )
    everybody.revoke_everybody(now=now - timedelta(days=1, hours=1))
    for rows in (
        Session.objects.all(),
        *(Session.objects.filter(pk=s.pk) for s in Session.objects.all()),
    ):
        each = list(rows.with_cutoff())
        assert deleting.removal_of_each(each, now) == deleting.removal_of(rows, now)


def test_what_stays_after_deleting_counts_those_that_were_signed_out_with_everybody(browser):
    rows = SessionFactory.create_batch(3)
    everybody.revoke_everybody()
    asked = browser.post(LIST, select("delete_selected", *rows))
    assert "3 ended sessions stay on the list" in text_of(asked)
    assert "live" not in text_of(asked).partition('id="content-main"')[2]


def test_users_of_more_sessions_than_the_bound_are_not_gathered(browser, bound):
    rows = SessionFactory.create_batch(5)
    data = select("end_all_of_users", rows[0], across=True, confirmed=True)
    told = messages_of(browser.post(LIST, data, follow=True))
    assert told[0].startswith("More than 4 sessions are selected.")
    assert Session.objects.live(timezone.now()).count() == 5


# Order


def test_the_list_is_sorted_only_by_what_has_an_index(browser):
    rows = [SessionFactory(ip_address=f"192.0.2.{n}") for n in (2, 3, 1)]
    newest_first = rows[::-1]
    columns = len(SessionAdmin.list_display) + 1
    for column in range(-columns, columns + 1):
        with CaptureQueriesContext(connection) as captured:
            found = listed(browser, {"o": column})
        assert found in (newest_first, rows), column
        for query in captured:
            by = re.search(r'ORDER BY "token_lifecycle_session"\."(\w+)"', query["sql"])
            assert by is None or by[1] in ("id", "expires_at"), column


def test_the_headings_say_what_the_list_is_sorted_by(browser):
    SessionFactory(expired=True)
    page = browser.get(LIST)
    assert re.search(r'class="sortable column-signed_in sorted descending"', text_of(page))
    expired = text_of(browser.get(LIST, {"status": "expired"}))
    sorted_by = re.compile('class="sortable column-expires_at sorted descending"')
    assert sorted_by.search(expired)
    assert not sorted_by.search(text_of(page))


def test_those_past_a_limit_come_in_the_order_of_their_limits(browser):
    now = timezone.now()

    def row(hours, **fields):
        return SessionFactory(expires_at=now + timedelta(hours=hours), **fields)

    long_ago, just_now = row(-5), row(-1)
    assert listed(browser, {"status": "expired"}) == [just_now, long_ago]
    later, soon = row(5, idle=True), row(1, idle=True)
    assert listed(browser, {"status": "idle"}) == [soon, later]


# Filters


@pytest.mark.parametrize("signed_out", [False, True])
def test_the_filter_by_sign_in_finds_by_the_time_and_not_by_the_key(browser, signed_out):
    now = timezone.now()
    with time_machine.travel(now - timedelta(days=40)):
        SessionFactory()
        if signed_out:
            everybody.revoke_everybody()
    brought_in = SessionFactory(created_at=now - timedelta(days=40))
    with time_machine.travel(now - timedelta(days=2)):
        recent = SessionFactory()
    newest = SessionFactory()
    assert set(listed(browser)) - {recent, newest, brought_in}
    week = {"created_at__gte": (now - timedelta(days=7)).isoformat()}
    assert listed(browser, week) == sorted([recent, newest], key=lambda row: row.pk, reverse=True)
    assert listed(browser, {**week, "created_at__lt": now - timedelta(days=1)}) == [recent]
    assert listed(browser, {"status": "live", **week}) == [newest, recent]


def test_the_filter_by_status_agrees_with_the_sessions_after_everybody_was_signed_out():
    now = timezone.now()
    cutoff = now - timedelta(hours=2)
    everybody.revoke_everybody(now=cutoff)
    for begun in (-1, 0, 1):
        for state in ({}, {"idle": True}, {"expired": True}, {"ended": True}):
            # Their keys are all of today, as of sessions that a project has brought in.
            SessionFactory(created_at=cutoff + timedelta(seconds=begun), **state)
    for status, condition in CONDITIONS.items():
        rows = Session.objects.with_cutoff()
        assert set(condition(rows, now)) == {row for row in rows if row.status(now) == status}


def test_of_two_moments_the_earlier_bounds_the_keys(browser):
    row = SessionFactory()
    url = f"{LIST}?created_at__gte=2020-01-01T00:00Z&created_at__gte=2999-01-01T00:00Z"
    assert list(browser.get(url).context["cl"].result_list) == [row]


@pytest.mark.parametrize(
    "value", ["0001-01-01T00:00Z", "9999-12-31T23:59:59Z", "1969-01-01T00:00Z"]
)
def test_the_ends_of_the_calendar_are_moments_like_others(browser, value):
    row = SessionFactory()
    found = listed(browser, {"created_at__gte": value})
    assert found == ([] if value.startswith("9999") else [row])


def test_the_first_key_of_a_moment_is_a_uuid_of_the_hour_before():
    for moment in (START, datetime(2040, 1, 1, tzinfo=UTC)):
        key = first_key(moment)
        assert (key.version, key.variant) == (7, "specified in RFC 4122")
        assert key.int >> 80 == (moment - timedelta(hours=1)).timestamp() * 1000
        assert key.int & (1 << 62) - 1 == 0
    with time_machine.travel(START):
        assert first_key(START) < SessionFactory().pk


# Search


def session_of(username, email=""):
    return SessionFactory(user__username=username, user__email=email)


def test_an_exact_name_is_preferred_to_one_that_begins_so_and_this_to_one_that_contains_it(
    browser,
):
    joanna, annette, ann = session_of("joanna"), session_of("annette"), session_of("ann")
    assert listed(browser, {"q": "ann"}) == [ann]
    assert listed(browser, {"q": "ANN"}) == [ann]
    ann.user.delete()
    assert listed(browser, {"q": "ann"}) == [annette]
    annette.user.delete()
    assert listed(browser, {"q": "ann"}) == [joanna]


def test_several_words_are_looked_for_each(browser):
    found = session_of("anna.smith", "a@example.com")
    session_of("anna", "b@example.com")
    session_of("smith", "c@example.com")
    assert listed(browser, {"q": "  smith a@example "}) == [found]


def test_nobody_hides_from_a_search_behind_the_address_of_another(browser):
    victim = session_of("victim", "Victim@example.com")
    thief = session_of("victim@example.com", "thief@example.com")
    assert set(listed(browser, {"q": "victim@example.com"})) == {victim, thief}


def test_nobody_hides_from_a_search_behind_the_key_of_another(browser):
    first = session_of("first")
    second = session_of(str(first.user.pk))
    assert set(listed(browser, {"q": str(first.user.pk)})) == {first, second}


def test_a_user_who_is_called_like_a_session_is_found_with_it(browser):
    session = session_of("anna")
    namesake = session_of(str(session.pk))
    assert set(listed(browser, {"q": str(session.pk)})) == {session, namesake}


def test_whoever_has_no_sessions_is_no_error(browser):
    UserFactory(username="anna")
    session_of("bob")
    assert listed(browser, {"q": "anna"}) == []


def test_more_users_than_can_be_shown_are_told_of_and_the_first_are_shown(browser, monkeypatch):
    monkeypatch.setattr(searching, "USERS", 2)
    rows = [session_of(f"anna{n}") for n in range(3)]
    response = browser.get(LIST, {"q": "anna"})
    assert list(response.context["cl"].result_list) == [rows[1], rows[0]]
    assert len(messages_of(response)) == 1
    assert "are shown" in messages_of(response)[0]
    rows[0].user.delete()
    assert messages_of(browser.get(LIST, {"q": "anna"})) == []


def test_better_ones_are_not_crowded_out_by_very_many_others(browser, monkeypatch):
    monkeypatch.setattr(searching, "USERS", 2)
    for n in range(5):
        session_of(f"joann{n}")
    begins = session_of("annette")
    response = browser.get(LIST, {"q": "ann"})
    assert list(response.context["cl"].result_list) == [begins]
    assert messages_of(response) == []


@pytest.mark.parametrize("url", [LIST, EVENTS])
@pytest.mark.parametrize("term", ["anna", "ann", "nna", "x", "anna@example.com", "%", "مرحبا"])
def test_the_statements_of_a_search_do_not_grow_with_those_found(browser, url, term):
    def needed(count):
        for n in range(count):
            session = session_of(f"anna{count}.{n}", f"anna{count}.{n}@example.com")
            SessionEvent.objects.create(
                kind="started", session=session, user=session.user, created_at=timezone.now()
            )
        return statements(lambda: browser.get(url, {"q": term}))

    browser.get(url)
    needed(1)
    assert needed(2) == needed(30)


@pytest.mark.urls("tests.test_admin_scale")
def test_a_search_finds_nothing_outside_of_a_restricted_queryset(browser):
    url = "/OneTenantAdmin/token_lifecycle/session/"
    inside, outside = SessionFactory(user__username="anna1"), SessionFactory(user=staff())
    for term in (outside.user.username, str(outside.user.pk), str(outside.pk)):
        assert listed(browser, {"q": term}, url) == [], term
    assert listed(browser, {"q": "anna"}, url) == [inside]


@pytest.mark.urls("tests.test_admin_scale")
def test_users_of_others_do_not_crowd_out_those_that_a_restricted_search_is_about(
    browser, monkeypatch
):
    monkeypatch.setattr(searching, "USERS", 1)
    for n in range(3):
        staff(username=f"anna{n}")
    inside = SessionFactory(user__username="anna9")
    response = browser.get("/OneTenantAdmin/token_lifecycle/session/", {"q": "anna"})
    assert list(response.context["cl"].result_list) == [inside]
    assert messages_of(response) == []


@pytest.mark.urls("tests.test_admin_scale")
def test_a_project_that_searches_other_columns_gets_what_it_asks_for(browser):
    url = "/AddressAdmin/token_lifecycle/session/"
    anna = SessionFactory(user__username="anna", ip_address="192.0.2.77")
    SessionFactory(user__username="bob")
    assert listed(browser, {"q": "192.0.2.77"}, url) == [anna]
    assert listed(browser, {"q": "nn"}, url) == [anna]


@pytest.mark.urls("tests.test_admin_scale")
def test_a_project_that_searches_other_columns_of_the_user_gets_these(browser):
    url = "/EmailAdmin/token_lifecycle/session/"
    anna = session_of("anna", "a@example.com")
    assert listed(browser, {"q": "example"}, url) == [anna]
    assert listed(browser, {"q": "anna"}, url) == []
