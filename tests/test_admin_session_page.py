"""The page of one session in Django's admin, and the story it tells."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import formats, timezone, translation
from django.utils.html import escape, strip_tags

from token_lifecycle import lifecycle
from token_lifecycle.admin import session_page, timeline
from token_lifecycle.exceptions import TokenReused
from token_lifecycle.models import EventKind, RevocationReason, Session, SessionEvent
from token_lifecycle.testing import SessionFactory, UserFactory

from .sign_ins import LAPTOP, PHONE, START
from .test_admin import EVENTS, LIST, all_of, browser_of, is_ended, messages_of, page_of, staff

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)

#: What a client may try to slip into a page.
EVIL = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "{{ 1234500|add:67 }}",
    "javascript:alert(1)",
]
#: What would tell that it worked.
RAW = ["<script>alert", "<img src=x", "'-alert(1)-'", "1234567", 'href="javascript:']
RIGHT_TO_LEFT = "\u05d0\u05e0\u05d4 <b>"


@pytest.fixture
def boss():
    return UserFactory(is_staff=True, is_superuser=True, username="boss")


@pytest.fixture
def browser(boss):
    return browser_of(boss)


def happened(session, *kinds, began=START, every=HOUR, **fields):
    """Events of these kinds, one after the other."""
    fields = {"user": session.user, "ip_address": "192.0.2.1", "user_agent": "curl/8"} | fields
    return [
        SessionEvent.objects.create(
            kind=kind, session=session, created_at=began + number * every, **fields
        )
        for number, kind in enumerate(kinds)
    ]


def story(browser, session):
    """The lines of the page: the mark and the text of each."""
    page = browser.get(page_of(session)).content.decode()
    (lines,) = re.findall(r'<ol class="token-lifecycle-timeline">(.*?)</ol>', page, re.DOTALL)
    return [
        (mark, " ".join(strip_tags(text).split()))
        for mark, text in re.findall(r'<li class="is-(\w+)">(.*?)</li>', lines, re.DOTALL)
    ]


def text_of(response):
    return " ".join(strip_tags(response.content.decode()).split())


def buttons(browser, session):
    return {button["label"] for button in browser.get(page_of(session)).context["buttons"]}


# In short


def test_the_page_says_who_with_what_from_where_how_and_whether_it_is_live(browser):
    session = SessionFactory(user__username="anna", device_name="Anna's laptop")
    text = text_of(browser.get(page_of(session)))
    assert "Who anna (all sessions)" in text
    assert "With Anna&#x27;s laptop (Firefox on Linux)" in text
    assert "From 192.0.2.1" in text
    assert "by password" in text
    assert "Status live" in text


@pytest.mark.parametrize(
    ("state", "look", "says"),
    [
        ({}, "live", "live"),
        ({"idle": True}, "over", "expired, idle for too long"),
        ({"ended": True}, "over", "ended: logged out"),
        ({"reused": True}, "alarm", "ended: refresh token used twice"),
    ],
)
def test_the_status_is_told_in_words_and_a_theft_stands_out(browser, state, look, says):
    page = browser.get(page_of(SessionFactory(**state))).content.decode()
    assert f'<span class="token-lifecycle-status is-{look}">{says}</span>' in page


def test_a_session_that_ended_with_everybody_says_so_before_its_row_does(browser):
    session = SessionFactory(created_at=timezone.now() - HOUR)
    lifecycle.revoke_everybody()
    assert not is_ended(session)
    assert "ended: everybody signed out" in text_of(browser.get(page_of(session)))
    assert not buttons(browser, session)


def test_the_user_is_linked_for_whoever_may_look_at_users(browser):
    session = SessionFactory()
    link = f"/admin/auth/user/{session.user_id}/change/"
    seer, blind = browser_of(staff("view_session", "view_user")), browser_of(staff("view_session"))
    for person, url in ((browser, link), (seer, link), (blind, "")):
        response = person.get(page_of(session))
        assert response.context["summary"].user_url == url
        assert (f'<a href="{link}"><bdi>' in response.content.decode()) == bool(url)


@pytest.mark.urls("tests.test_admin")
def test_a_site_without_users_and_without_the_trail_shows_a_session_without_them(browser):
    page = browser.get(page_of(SessionFactory())).content.decode()
    assert "auth/user" not in page
    assert "What happened" not in page


def test_the_list_of_all_sessions_of_the_user_is_one_click_away(browser):
    session, other = SessionFactory.create_batch(2)
    url = browser.get(page_of(session)).context["summary"].sessions_url
    assert list(browser.get(url).context["cl"].result_list) == [session]
    assert other.user_id != session.user_id


def test_a_session_of_nobody_has_a_page(browser):
    orphan = SessionFactory(user=None, auth_hash="", ip_address=None, auth_method="")
    text = text_of(browser.get(page_of(orphan)))
    assert "Who deleted user" in text
    assert "all sessions" not in text
    assert "From unknown address" in text


# What happened


def test_the_story_is_told_from_the_first_to_the_last(browser):
    session = SessionFactory()
    happened(session, "started", "new_client", "caught_up", "limit_reached", "revoked")
    marks = [mark for mark, _ in story(browser, session)]
    assert marks == ["start", "client", "note", "note", "end"]


def test_events_of_one_moment_are_told_in_the_order_in_which_they_were_written(browser):
    session = SessionFactory()
    happened(session, "caught_up", "new_client", "rotated", every=timedelta(0))
    assert [mark for mark, _ in story(browser, session)] == ["note", "client", "refresh"]


@pytest.mark.parametrize("kind", EventKind.values)
def test_every_kind_of_event_has_a_mark_and_a_title(browser, kind):
    session = SessionFactory()
    happened(session, kind, reason="logout" if kind == "revoked" else "")
    ((mark, text),) = story(browser, session)
    assert mark in set(timeline.Mark)
    assert text[0].isupper()


def test_every_mark_has_a_shape_of_its_own(browser):
    session = SessionFactory()
    kinds = ["started", "rotated", "new_client", "reuse_detected", "revoked", "caught_up"]
    happened(session, *kinds)
    page = browser.get(page_of(session)).content.decode()
    shapes = re.findall(r'(<\w+ class="shape".*?)<path class="sign"', page)
    assert len(set(shapes)) == len(timeline.Mark) == len(kinds)


def test_a_theft_is_told_in_words_as_the_one_loud_line(browser):
    issued = lifecycle.start_session(UserFactory(), device=LAPTOP, now=START)
    lifecycle.rotate(issued.refresh, now=START + HOUR)
    with pytest.raises(TokenReused):
        lifecycle.rotate(issued.refresh, device=PHONE, now=START + 3 * HOUR)
    lines = story(browser, issued.session)
    assert [mark for mark, _ in lines] == ["start", "alarm"]
    assert (
        "A refresh token that had been used already came back from 2001:db8::1, Phone/2.0. "
        "Two parties held it, so the session was ended."
    ) in lines[-1][1]


def test_an_end_for_reuse_is_loud_also_where_the_alarm_is_not_shown(browser):
    session = SessionFactory(reused=True)
    happened(session, "revoked", reason=RevocationReason.REUSE_DETECTED)
    ((mark, text),) = story(browser, session)
    assert mark == "alarm"
    assert "Refresh token used twice" in text


def test_a_theft_by_nobody_known_is_told_too(browser):
    session = SessionFactory(reused=True)
    happened(session, "reuse_detected", ip_address=None, user_agent="")
    assert "from an unknown address, an unknown client." in story(browser, session)[0][1]


def test_an_end_names_its_reason_and_who_did_it(browser, boss):
    session = lifecycle.start_session(UserFactory(username="anna")).session
    browser.post(page_of(session, "end"), {"confirmed": "yes"}, headers={"User-Agent": "staff/1"})
    mark, text = story(browser, session)[-1]
    assert mark == "end"
    for part in ("Ended Ended by staff", "done by boss", "staff/1", "127.0.0.1"):
        assert part in text


def test_refreshes_in_a_row_are_one_line_from_the_first_to_the_last(browser):
    session = SessionFactory()
    happened(session, "started", *["rotated"] * 12, "new_client", "rotated")
    lines = story(browser, session)
    assert [mark for mark, _ in lines] == ["start", "refresh", "client", "refresh"]
    assert "Refreshed 12 times" in lines[1][1]
    assert "7 a.m. \N{EN DASH} March 1, 2026, 6 p.m." in lines[1][1]
    assert "Refreshed 1 time" not in lines[3][1]


def test_a_refresh_from_elsewhere_is_not_folded_away(browser):
    session = SessionFactory()
    happened(session, "rotated", "rotated")
    happened(session, "rotated", began=START + 2 * HOUR, ip_address="203.0.113.9")
    happened(session, "rotated", began=START + 3 * HOUR, user_agent="other")
    happened(session, "rotated", began=START + 4 * HOUR)
    assert len(story(browser, session)) == 4


def test_a_pause_is_told_in_words_and_a_moment_is_not(browser):
    session = SessionFactory()
    happened(session, "started", "rotated", every=timedelta(seconds=59))
    happened(session, "new_client", "revoked", began=START + timedelta(days=3), every=2 * HOUR)
    texts = [
        text.replace("\xa0", " ").replace("&nbsp;", " ") for _, text in story(browser, session)
    ]
    assert "later" not in texts[0] + texts[1]
    assert texts[2].startswith("2 days later")
    assert texts[3].startswith("2 hours later")


def test_each_moment_can_be_read_by_a_machine_and_to_the_second(browser):
    session = SessionFactory()
    happened(session, "started")
    page = browser.get(page_of(session)).content.decode()
    with override_settings(TIME_ZONE="UTC"):
        assert 'datetime="2026-03-01T' in page
        assert re.search(r'title="2026-03-01 \d\d:00:00[+-]\d\d:\d\d"', page)


def test_the_page_shows_the_newest_lines_and_links_to_the_older_ones(browser, monkeypatch):
    monkeypatch.setattr(session_page, "LINES", 2)
    session, other = SessionFactory.create_batch(2)
    happened(session, "started", "rotated", "new_client")
    happened(other, "started")
    response = browser.get(page_of(session))
    assert [entry.mark for entry in response.context["timeline"].entries] == ["refresh", "client"]
    older = browser.get(response.context["timeline"].older_url)
    assert {event.session_id for event in older.context["cl"].result_list} == {session.pk}
    assert len(older.context["cl"].result_list) == 3
    assert browser.get(page_of(other)).context["timeline"].older_url == ""


def test_a_bounded_number_of_events_is_read_however_many_there_are(browser, monkeypatch):
    monkeypatch.setattr(timeline, "EVENTS_READ", 5)
    session = SessionFactory()
    happened(session, "started", *["rotated"] * 7)
    shown = browser.get(page_of(session)).context["timeline"]
    assert [entry.title for entry in shown.entries] == ["Refreshed 5 times"]
    assert shown.older_url.startswith(EVENTS)


def test_where_nothing_is_recorded_the_page_says_so(browser):
    assert "Nothing is recorded." in text_of(browser.get(page_of(SessionFactory())))


# Buttons

END, OTHERS, ALL = (
    "End this session",
    "End this user's other sessions",
    "End all sessions of this user",
)


@pytest.mark.parametrize(
    ("this", "other", "offered"),
    [
        ({}, None, {END}),
        ({}, {"expired": True}, {END}),
        ({}, {}, {END, OTHERS, ALL}),
        ({"ended": True}, {}, {ALL}),
        ({"ended": True}, {"idle": True}, set()),
        ({"expired": True}, None, set()),
    ],
)
def test_the_buttons_are_those_that_would_end_something(browser, this, other, offered):
    session = SessionFactory(**this)
    SessionFactory()
    if other is not None:
        SessionFactory(user=session.user, **other)
    assert buttons(browser, session) == offered


@pytest.mark.urls("tests.test_admin")
def test_no_button_is_offered_for_sessions_outside_of_a_restricted_queryset(browser):
    session = SessionFactory()
    SessionFactory(user=session.user, auth_method="sso")
    assert buttons(browser, session) == {END}


def test_ending_the_others_spares_this_session_and_everybody_else(browser):
    this = SessionFactory()
    others = SessionFactory.create_batch(2, user=this.user)
    stranger = SessionFactory()
    asked = browser.get(page_of(this, "end-others"))
    assert "2 live sessions will end." in text_of(asked)
    response = browser.post(page_of(this, "end-others"), {"confirmed": "yes"}, follow=True)
    assert messages_of(response)[0].startswith("2 sessions were ended.")
    assert response.redirect_chain[0][0] == page_of(this)
    assert all(map(is_ended, others))
    assert not is_ended(this)
    assert not is_ended(stranger)


def test_the_others_of_nobody_cannot_be_ended(browser):
    orphan, other = SessionFactory.create_batch(2, user=None, auth_hash="")
    assert browser.post(page_of(orphan, "end-others"), {"confirmed": "yes"}).status_code == 404
    assert not is_ended(other)


@pytest.mark.urls("tests.test_admin")
def test_the_others_are_those_inside_of_a_restricted_queryset(browser):
    this = SessionFactory()
    inside = SessionFactory(user=this.user)
    outside = SessionFactory(user=this.user, auth_method="sso")
    browser.post(page_of(this, "end-others"), {"confirmed": "yes"})
    assert is_ended(inside)
    assert not is_ended(outside)


# Safe, and cheap


@pytest.mark.parametrize("evil", EVIL)
def test_what_a_client_called_itself_is_text_and_nothing_else(browser, evil):
    session = SessionFactory(user_agent=evil, device_name=evil, auth_method=evil[:32])
    happened(session, *EventKind.values, user_agent=evil, actor=session.user)
    page = browser.get(page_of(session)).content.decode()
    assert page.count(escape(evil)) > 10
    for raw in RAW:
        assert raw not in page.replace(str(session.pk), "")


def test_names_that_run_from_right_to_left_are_kept_to_themselves(browser):
    session = SessionFactory(user_agent=RIGHT_TO_LEFT, device_name=RIGHT_TO_LEFT)
    happened(session, "started", "reuse_detected", user_agent=RIGHT_TO_LEFT)
    page = browser.get(page_of(session)).content.decode()
    escaped = RIGHT_TO_LEFT.replace("<", "&lt;").replace(">", "&gt;")
    summary_and_story = page.partition("token-lifecycle-summary")[2].partition("<fieldset")[0]
    shown = re.findall(rf"(<bdi[^>]*>)?{re.escape(escaped)}(?!\")", summary_and_story)
    assert len(shown) == 5
    assert all(shown)


def test_the_page_brings_neither_scripts_nor_styles_of_its_own_in_its_text(browser):
    session = SessionFactory()
    happened(session, *EventKind.values)
    page = browser.get(page_of(session)).content.decode()
    assert "token_lifecycle/admin.css" in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert "<style" not in page
    assert " style=" not in page
    assert not re.search(r"\son\w+=", page)


def test_the_number_of_statements_does_not_grow_with_what_happened(browser, boss):
    def needed(sessions, events):
        session = SessionFactory()
        SessionFactory.create_batch(sessions, user=session.user)
        happened(session, *["started", "revoked"] * events, actor=boss)
        browser.get(page_of(session))
        with CaptureQueriesContext(connection) as captured:
            browser.get(page_of(session))
        return len(captured)

    assert needed(1, 1) == needed(20, 30)


def test_looking_changes_nothing(browser):
    session = SessionFactory()
    before = Session.objects.filter(pk=session.pk).values().get()
    for url in (page_of(session), page_of(session, "end-others"), all_of(session.user_id), LIST):
        browser.get(url)
    assert Session.objects.filter(pk=session.pk).values().get() == before


# What it is called, and what a cutoff has done to it


def crumbs_of(page):
    _, _, crumbs = page.partition('class="breadcrumbs"')
    return strip_tags("<" + crumbs.partition('id="content"')[0])


def test_the_page_is_called_by_whose_session_it_is_and_of_which_device(browser):
    session = SessionFactory(user__username="anna", device_name="Phone", auth_method="browser")
    page = browser.get(page_of(session)).content.decode()
    assert "<title>anna: Phone | " in page
    assert "anna: Phone" in crumbs_of(page)
    assert str(session.pk) not in crumbs_of(page)


def test_how_somebody_signed_in_is_told_in_words(browser):
    session = SessionFactory(auth_method="password")
    with translation.override("de"):
        page = browser.get(page_of(session)).content.decode()
    assert page.count(">Passwort<") == 2
    assert ">password<" not in page


def test_the_page_of_an_event_is_called_by_what_happened_and_has_no_history(browser):
    [event] = happened(SessionFactory(), EventKind.NEW_CLIENT)
    page = browser.get(f"{EVENTS}{event.pk}/change/").content.decode()
    assert "New client seen" in crumbs_of(page)
    assert "new_client" not in crumbs_of(page)
    assert "/history/" not in page


def test_a_session_that_ended_with_everybody_says_when_and_why_before_its_row_does(browser):
    session = SessionFactory()
    cutoff = lifecycle.revoke_everybody()
    page = browser.get(page_of(session)).content.decode()
    fields = strip_tags(page.partition("field-ended")[2].partition("field-id")[0])
    assert "everybody signed out" in fields
    assert formats.localize(timezone.localtime(cutoff.at)) in fields
    assert "None" not in text_of(browser.get(page_of(SessionFactory())))
    [(mark, line)] = story(browser, session)
    assert (mark, line.startswith("Everybody signed out")) == ("end", True)
    lifecycle.sweep()
    [(mark, line)] = story(browser, session)
    assert "Ended by staff" in line
