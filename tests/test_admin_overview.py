"""The overview in the admin, and the button that logs everyone out."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.sites import AdminSite
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.contenttypes.models import ContentType
from django.core.checks.registry import registry
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils import timezone, translation

from tests.test_admin import LIST, RestrictedAdmin, browser_of, messages_of, page_of, staff
from token_lifecycle import everybody as ending
from token_lifecycle import lifecycle, statistics
from token_lifecycle.admin import SessionEventAdmin, charts
from token_lifecycle.admin import everybody as button
from token_lifecycle.contrib.browser_sessions import checks
from token_lifecycle.models import Cutoff, EventCount, EventKind, Session, SessionEvent
from token_lifecycle.testing import SessionFactory, UserFactory, sign_in

pytestmark = pytest.mark.django_db

OVERVIEW = f"{LIST}overview/"
EVERYBODY = f"{LIST}end-everybody/"
PHRASE = {"phrase": "log everyone out"}

NOW = datetime(2026, 3, 15, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
EVIL = "<script>alert('x')</script>"


class RestrictedTrail(SessionEventAdmin):
    """Staff of one tenant."""

    def get_queryset(self, request):
        return super().get_queryset(request).filter(user__is_staff=False)


restricted_site = AdminSite()
restricted_site.register(Session, RestrictedAdmin)
restricted_site.register(SessionEvent, RestrictedTrail)
urlpatterns = [path("admin/", restricted_site.urls)]

PEOPLE = {
    "anonymous": lambda: None,
    "visitor": UserFactory,
    "staff": staff,
    "viewer": lambda: staff("view_session", "view_sessionevent", "end_session"),
    "overseer": lambda: staff("view_session", "view_overview"),
    "blind overseer": lambda: staff("view_overview"),
    "superuser": lambda: UserFactory(is_staff=True, is_superuser=True),
    "inactive superuser": lambda: UserFactory(is_staff=True, is_superuser=True, is_active=False),
    "superuser who is no staff": lambda: UserFactory(is_superuser=True),
}


@pytest.fixture(autouse=True)
def _clock(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.fixture(autouse=True)
def _utc():
    with timezone.override("UTC"):
        yield


@pytest.fixture
def boss():
    return UserFactory(is_staff=True, is_superuser=True, username="boss")


@pytest.fixture
def browser(boss):
    return browser_of(boss)


def happened(kind, *ages, **columns):
    SessionEvent.objects.bulk_create(
        SessionEvent(kind=kind, created_at=timezone.now() - age, **columns) for age in ages
    )


def text_of(response):
    assert response.status_code == 200
    return response.content.decode()


# Who may look


def answer(response):
    if response.status_code == 302:
        assert response.url.startswith("/admin/login/")
    return {200: "shown", 302: "login", 403: "refused"}[response.status_code]


@pytest.mark.parametrize(
    ("person", "overview", "everybody"),
    [
        ("anonymous", "login", "login"),
        ("visitor", "login", "login"),
        ("staff", "refused", "refused"),
        ("viewer", "refused", "refused"),
        ("overseer", "shown", "refused"),
        ("blind overseer", "refused", "refused"),
        ("superuser", "shown", "shown"),
        ("inactive superuser", "login", "login"),
        ("superuser who is no staff", "login", "login"),
    ],
)
def test_each_page_is_shown_to_those_who_may_see_it_and_to_nobody_else(person, overview, everybody):
    browser = browser_of(PEOPLE[person]())
    assert answer(browser.get(OVERVIEW)) == overview
    assert answer(browser.get(EVERYBODY)) == everybody


@pytest.mark.parametrize(("person", "sees"), [("viewer", False), ("overseer", True)])
def test_the_list_links_to_the_overview_for_those_who_may_see_it(person, sees):
    listed = text_of(browser_of(PEOPLE[person]()).get(LIST))
    assert (f'href="{OVERVIEW}"' in listed) == sees


@pytest.mark.parametrize(("person", "sees"), [("overseer", False), ("superuser", True)])
def test_the_button_that_logs_everyone_out_is_there_for_superusers_alone(person, sees):
    page = text_of(browser_of(PEOPLE[person]()).get(OVERVIEW))
    assert (f'href="{EVERYBODY}"' in page) == sees


@pytest.mark.parametrize(
    ("permissions", "sees"),
    [(["view_session", "view_overview"], False), (["view_sessionevent"], True)],
)
def test_alarms_are_shown_to_those_who_may_read_the_trail(permissions, sees):
    happened("reuse_detected", HOUR)
    person = staff(*{"view_session", "view_overview", *permissions})
    assert ("The newest alarms" in text_of(browser_of(person).get(OVERVIEW))) == sees


@pytest.mark.urls("tests.test_admin_overview")
def test_alarms_and_their_links_are_those_that_restricted_staff_may_see():
    shown, hidden, unlinked = (
        SessionFactory(user__username="anna"),
        SessionFactory(user=staff(username="colleague")),
        SessionFactory(user__username="bob", auth_method="sso"),
    )
    for session in (shown, hidden, unlinked):
        happened("reuse_detected", HOUR, session=session, user=session.user)
    person = staff("view_session", "view_overview", "view_sessionevent")
    page = text_of(browser_of(person).get(OVERVIEW))
    assert f'<a href="{page_of(shown)}">' in page
    assert "colleague" not in page
    assert "bob" in page
    assert page_of(unlinked) not in page


def test_a_project_can_take_the_overview_from_everybody(browser, monkeypatch):
    monkeypatch.setattr(
        button.EndingEverybodyAdmin, "has_overview_permission", lambda self, request: False
    )
    assert browser.get(OVERVIEW).status_code == 403
    assert OVERVIEW not in text_of(browser.get(LIST))
    assert browser.post(EVERYBODY, PHRASE).url == LIST


# The figures


class Page(HTMLParser):
    """What a person is shown, by whatever means: headings, cells, titles of bars."""

    def __init__(self, response):
        super().__init__()
        self.inside, self.cells, self.titles, self.headings = [], [], [], []
        self.feed(text_of(response))

    def handle_starttag(self, tag, attributes):
        self.inside.append(tag)
        if tag == "tr":
            self.cells.append([])

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        text = data.strip()
        if not text:
            return
        if "svg" in self.inside and self.inside[-1] == "title":
            self.titles.append(text)
        for name in ("td", "th"):
            if name in self.inside:
                self.cells[-1].append(text)
        if self.inside and self.inside[-1] in ("h1", "h2", "h3"):
            self.headings.append(text)


def test_it_shows_who_is_live_and_what_happened(browser):
    SessionFactory.create_batch(2)
    happened("started", HOUR, HOUR, timedelta(days=3))
    happened("revoked", HOUR, reason="password_change")
    response = browser.get(OVERVIEW)
    assert "2 live sessions" in text_of(response)
    page = Page(response)
    assert ["11 a.m.", "2", "1", "0", "0", "0"] in page.cells
    assert ["March 12", "1", "0", "0", "0", "0"] in page.cells
    assert ["March 15", "2", "1", "0", "0", "0"] in page.cells
    assert ["password changed", "1", "1"] in page.cells
    assert page.headings[0] == "Overview of sessions"
    assert page.headings.count("Reuse alarms") == 2


def test_every_bar_says_what_it_stands_for_and_the_table_says_the_same(browser):
    happened("started", *[n * HOUR for n in range(24 * 30)])
    page = Page(browser.get(OVERVIEW))
    assert len(page.titles) == 5 * (24 + 30)
    table = {f"{row[0]}: {row[1]}" for row in page.cells if len(row) == 6}
    assert table >= {title for title in page.titles if not title.endswith(": 0")}


def test_every_picture_has_a_name_and_every_table_headings_and_a_caption(browser):
    happened("reuse_detected", HOUR)
    happened("revoked", HOUR, reason="logout")
    page = text_of(browser.get(OVERVIEW)).partition('id="content-main"')[2].partition("<footer")[0]
    ids = set(re.findall(r'id="([^"]+)"', page))
    pictures = re.findall(r'<svg role="img" aria-labelledby="([^"]+)"', page)
    assert len(pictures) == page.count("<svg") == 10
    for names in pictures:
        assert set(names.split()) <= ids
    assert page.count("<table>") == page.count("<caption") == 4
    assert page.count("<th") - page.count("<thead") == page.count('<th scope="')


@pytest.mark.parametrize("page", [OVERVIEW, EVERYBODY])
def test_a_strict_policy_for_content_has_nothing_to_refuse(browser, page):
    happened("reuse_detected", HOUR)
    content = text_of(browser.get(page))
    main = content.partition('id="content-main"')[2].partition("<footer")[0]
    assert "<script" not in main
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", content)


def test_figures_are_written_as_people_here_write_them(browser):
    SessionEvent.objects.all().delete()
    EventCount.objects.create(hour=NOW - 9 * HOUR, kind="started", count=1_234_567)
    page = Page(browser.get(OVERVIEW, headers={"Accept-Language": "en"}))
    assert any("1,234,567" in row for row in page.cells)


def test_in_every_language_the_measures_of_a_drawing_are_plain_numbers(settings):
    settings.USE_THOUSAND_SEPARATOR = True
    with translation.override("de"):
        chart = charts.chart_of("x", [1, 3000], ["a", "b"])
        assert chart.total == "3.001"
        assert [bar.height for bar in chart.bars] == ["1.0", "40.0"]
        assert [bar.top for bar in chart.bars] == ["39.0", "0.0"]
        assert chart.bars[1].title == "b: 3.000"


@pytest.mark.parametrize(
    ("counts", "heights"),
    [([0, 0], ["0.0", "0.0"]), ([1, 2], ["20.0", "40.0"]), ([1, 100_000], ["1.0", "40.0"])],
)
def test_a_bar_is_in_proportion_and_anything_above_nothing_is_seen(counts, heights):
    bars = charts.chart_of("x", counts, ["a", "b"]).bars
    assert [bar.height for bar in bars] == heights


def test_above_the_bound_it_says_more_than(browser, monkeypatch):
    SessionFactory.create_batch(3)
    live = statistics.live_sessions
    monkeypatch.setattr(statistics, "live_sessions", lambda now: live(now, bound=2))
    assert "More than 2 live sessions" in text_of(browser.get(OVERVIEW))
    assert "More than 2 live sessions will end" in text_of(browser.get(EVERYBODY))


def test_an_alarm_links_to_its_session_as_long_as_there_is_one(browser):
    kept, gone = SessionFactory(user__username="anna"), SessionFactory()
    for session in (kept, gone):
        happened("reuse_detected", HOUR, session=session, user=session.user, user_agent="curl/8")
    Session.objects.filter(pk=gone.pk).delete()
    page = text_of(browser.get(OVERVIEW))
    assert f'<a href="{page_of(kept)}">' in page
    assert "anna" in page
    assert str(gone.pk) in page
    assert page_of(gone) not in page


def test_what_clients_sent_is_escaped(browser):
    user = UserFactory(username=EVIL)
    happened("reuse_detected", HOUR, user=user, user_agent=f'{EVIL}" onload="x')
    happened("revoked", HOUR, reason=EVIL[:32])
    page = text_of(browser.get(OVERVIEW))
    assert "<script>alert" not in page
    assert '" onload="x' not in page
    assert "&lt;script&gt;alert" in page


def test_no_digest_or_hash_is_so_much_as_read(browser):
    session = SessionFactory()
    happened("reuse_detected", HOUR, session=session, user=session.user)
    with CaptureQueriesContext(connection) as captured:
        browser.get(OVERVIEW)
        browser.get(EVERYBODY)
    statements = " ".join(query["sql"] for query in captured)
    assert "secret_digest" not in statements
    assert "auth_hash" not in statements


def test_opening_it_counts_the_hours_that_nobody_has_counted(browser):
    happened("started", HOUR)
    browser.get(OVERVIEW)
    assert EventCount.objects.get().count == 1


@pytest.mark.parametrize("opening", ["first", "second"])
def test_it_costs_the_same_statements_however_much_there_is(browser, opening):
    def measure(rows):
        SessionEvent.objects.all().delete()
        EventCount.objects.all().delete()
        # Some hours ago, so that as many hours are counted each time.
        ages = [2 * HOUR + n * timedelta(microseconds=1) for n in range(rows)]
        for session in SessionFactory.create_batch(min(rows, 30)):
            happened("reuse_detected", HOUR, session=session, user=session.user)
        happened("started", *ages)
        browser.get("/admin/")
        if opening == "second":
            browser.get(OVERVIEW)
        with CaptureQueriesContext(connection) as captured:
            browser.get(OVERVIEW)
        return len(captured)

    assert measure(10) == measure(1000)


# Log everyone out


def is_live(session):
    return Session.objects.live(timezone.now()).filter(pk=session.pk).exists()


def test_the_page_says_what_will_happen_and_asks_for_the_phrase(browser):
    SessionFactory.create_batch(3)
    page = text_of(browser.get(EVERYBODY))
    assert "3 live sessions will end, whoever they belong to." in page
    assert "type “log everyone out”" in page
    assert "refused at their next request." in page


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        ("database", "refused at their next request."),
        ("memory", "refused within moments."),
        ("none", "until they expire, for up to 15 minutes."),
    ],
)
def test_page_and_message_tell_the_truth_about_access_tokens(browser, options, mode, sentence):
    options(REVOCATION_CHECK=mode)
    assert sentence in text_of(browser.get(EVERYBODY))
    assert sentence in messages_of(browser.post(EVERYBODY, PHRASE, follow=True))[0]


@pytest.mark.parametrize("phrase", ["log everyone out", " Log  everyone out\n", "LOG EVERYONE OUT"])
def test_the_right_phrase_logs_everyone_out(api, browser, user, phrase):
    issued = sign_in(api, user)
    assert api.get("/whoami/").status_code == 200
    response = browser.post(EVERYBODY, {"phrase": phrase})
    assert (response.status_code, response.url) == (302, OVERVIEW)
    assert not is_live(issued.session)
    assert api.get("/whoami/").status_code == 401


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"phrase": ""},
        {"phrase": "yes"},
        {"phrase": "log everyone"},
        {"phrase": "\0"},
        {"phrase": "x" * 10_000},
        {"phrase": "log everyone out" * 2},
        {"confirmed": "yes"},
    ],
)
def test_a_wrong_phrase_is_an_error_and_ends_nothing(browser, data):
    session = SessionFactory()
    response = browser.post(EVERYBODY, data)
    assert 'class="errorlist"' in text_of(response)
    assert "<title>Error:" in re.sub(r"\s*\n\s*", "", text_of(response))
    assert is_live(session)
    assert not Cutoff.objects.exists()


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "delete"])
def test_no_other_method_ends_anything_whatever_it_says(browser, method):
    session = SessionFactory()
    getattr(browser, method)(f"{EVERYBODY}?phrase=log+everyone+out")
    assert is_live(session)


def test_a_post_without_a_csrf_token_ends_nothing(boss):
    session = SessionFactory()
    browser = browser_of(boss, enforce_csrf_checks=True)
    assert browser.post(EVERYBODY, PHRASE).status_code == 403
    assert is_live(session)


def test_the_form_carries_the_csrf_token_that_the_answer_needs(boss):
    browser = browser_of(boss, enforce_csrf_checks=True)
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', text_of(browser.get(EVERYBODY)))[1]
    answer = browser.post(EVERYBODY, {**PHRASE, "csrfmiddlewaretoken": token})
    assert answer.status_code == 302
    assert Cutoff.objects.exists()


@pytest.mark.parametrize("person", ["viewer", "overseer", "staff"])
def test_whoever_is_no_superuser_ends_nothing_by_posting_the_phrase(person):
    session = SessionFactory()
    assert browser_of(PEOPLE[person]()).post(EVERYBODY, PHRASE).status_code == 403
    assert is_live(session)


def test_the_trail_and_the_admin_log_say_who_did_it_and_from_where(browser, boss, options):
    options(TRUSTED_PROXIES=1)
    headers = {"X-Forwarded-For": "203.0.113.7", "User-Agent": "the browser of staff"}
    browser.post(EVERYBODY, PHRASE, headers=headers)
    event = SessionEvent.objects.get(kind=EventKind.EVERYBODY_ENDED)
    assert (event.actor, event.ip_address) == (boss, "203.0.113.7")
    assert event.user_agent == "the browser of staff"
    entry = LogEntry.objects.get()
    assert (entry.user, entry.action_flag) == (boss, CHANGE)
    assert entry.content_type == ContentType.objects.get_for_model(Session)
    assert entry.object_repr == "everybody"
    assert "Logged everyone out." in entry.get_change_message()
    assert "everybody" in text_of(browser.get("/admin/"))


def test_log_and_end_stand_or_fall_together(browser, monkeypatch):
    session = SessionFactory()

    def fail(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr(LogEntry.objects, "create", fail)
    with pytest.raises(RuntimeError):
        browser.post(EVERYBODY, PHRASE)
    assert is_live(session)


def test_a_small_site_has_the_whole_trail_at_once(browser, boss):
    sessions = SessionFactory.create_batch(3)
    response = browser.post(EVERYBODY, PHRASE, follow=True)
    ended = SessionEvent.objects.filter(kind=EventKind.REVOKED, actor=boss)
    assert {event.session_id for event in ended} == {session.pk for session in sessions}
    assert len(messages_of(response)) == 1


def test_on_a_large_site_the_rest_follows_with_prune_sessions(browser, monkeypatch):
    monkeypatch.setattr(button, "SWEPT_AT_ONCE", 2)
    monkeypatch.setattr(
        ending.sweep, "__kwdefaults__", {**ending.sweep.__kwdefaults__, "batch_size": 2}
    )
    sessions = SessionFactory.create_batch(5)
    response = browser.post(EVERYBODY, PHRASE, follow=True)
    assert not any(map(is_live, sessions))
    assert Session.objects.filter(revoked_at=None).count() == 3
    rest = messages_of(response)[1]
    assert "2 sessions" in rest
    assert "prune_sessions" in rest
    lifecycle.prune()
    assert not Session.objects.filter(revoked_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_a_busy_database_is_a_message_and_nothing_has_happened(browser, monkeypatch):
    session = SessionFactory()

    def lose(*args, **kwargs):
        raise OperationalError(1213, "Deadlock found")

    monkeypatch.setattr(lifecycle, "revoke_everybody", lose)
    response = browser.post(EVERYBODY, PHRASE, follow=True)
    assert messages_of(response) == [
        "The database was busy, and nothing was changed. Please try again."
    ]
    assert is_live(session)
    assert not LogEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_database_too_busy_for_the_trail_has_ended_everybody_all_the_same(browser, monkeypatch):
    session = SessionFactory()

    def lose(*args, **kwargs):
        raise OperationalError(1213, "Deadlock found")

    monkeypatch.setattr(ending.journal, "end", lose)
    response = browser.post(EVERYBODY, PHRASE, follow=True)
    assert not is_live(session)
    assert "prune_sessions" in messages_of(response)[1]


@pytest.mark.parametrize("rows", [10, 300])
def test_logging_everyone_out_costs_the_same_statements_however_many_they_are(browser, rows):
    SessionFactory.create_batch(rows, user=UserFactory())
    ContentType.objects.get_for_model(Session)
    with CaptureQueriesContext(connection) as captured:
        browser.post(EVERYBODY, PHRASE)
    sent = [query["sql"].split()[0] for query in captured]
    writes = [kind for kind in sent if kind in ("INSERT", "UPDATE", "DELETE")]
    # The cutoff, its event and its notice, the admin log; then one batch, and that it is done.
    assert writes[:4] == ["INSERT"] * 4
    assert len(writes) == 4 + 4


BROWSER_SESSIONS = "token_lifecycle.contrib.browser_sessions"


@pytest.fixture
def _with_receivers_for_now():
    yield
    for signal in (user_logged_in, user_logged_out):
        signal.disconnect(dispatch_uid="token_lifecycle_browser_sessions")
    registry.registered_checks -= {checks.check_middleware, checks.check_sessions}


@pytest.mark.usefixtures("_with_receivers_for_now")
def test_the_page_says_of_sign_ins_to_this_site_what_is_true_of_them(boss, settings):
    goes_on, ends = "are kept by Django and go on", "Your own sign-in is among them"
    page = text_of(browser_of(boss).get(EVERYBODY))
    assert goes_on in page
    assert ends not in page
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, BROWSER_SESSIONS]
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        f"{BROWSER_SESSIONS}.middleware.BrowserSessionMiddleware",
    ]
    browser = browser_of(boss)
    page = text_of(browser.get(EVERYBODY))
    assert goes_on not in page
    assert ends in page
    browser.post(EVERYBODY, PHRASE)
    assert browser.get(EVERYBODY).status_code == 302
