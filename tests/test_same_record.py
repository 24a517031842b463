"""However a session is ended, the same is left behind: row, event, notice, signal, and by whom."""

import pytest
from django.core.management import call_command
from django.test import Client

from tests.test_admin import LIST, all_of, page_of, select
from token_lifecycle import lifecycle, signals
from token_lifecycle.models import Cutoff, EventKind, RevocationNotice, RevocationReason, Session
from token_lifecycle.testing import UserFactory, authorization

pytestmark = pytest.mark.django_db

AGENT, ADDRESS = "Mozilla/5.0 (X11; Linux) Firefox/140.0", "192.0.2.44"
YES = {"confirmed": "yes"}


@pytest.fixture
def boss():
    return UserFactory(is_staff=True, is_superuser=True, username="boss")


@pytest.fixture
def desk(boss):
    """The browser of staff."""
    client = Client(HTTP_USER_AGENT=AGENT, REMOTE_ADDR=ADDRESS)
    client.force_login(boss)
    return client


def by_the_person(method, path, issued):
    client = Client(HTTP_USER_AGENT=AGENT, REMOTE_ADDR=ADDRESS)
    header = authorization(issued)
    return getattr(client, method)(path, content_type="application/json", **header)


def command(session, *arguments):
    call_command("end_sessions", *arguments, "--actor", "boss", "--no-input", verbosity=0)


STAFF = {
    "the action of the list": lambda desk, session: desk.post(
        LIST, select("end_selected", session, confirmed=True)
    ),
    "the action for users": lambda desk, session: desk.post(
        LIST, select("end_all_of_users", session, confirmed=True)
    ),
    "the button for this session": lambda desk, session: desk.post(page_of(session, "end"), YES),
    "the button for all": lambda desk, session: desk.post(page_of(session, "end-all"), YES),
    "the page of the user": lambda desk, session: desk.post(all_of(session.user_id), YES),
    "deleting it": lambda desk, session: desk.post(page_of(session, "delete"), YES),
    "the end of everybody": lambda desk, session: desk.post(
        f"{LIST}end-everybody/", {"phrase": "log everyone out"}
    ),
    "the command for a user": lambda desk, session: command(
        session, "--user", session.user.get_username()
    ),
    "the command for everybody": lambda desk, session: command(session, "--all"),
}


@pytest.fixture
def heard():
    """What the signal told: which sessions, why and by whom."""
    told = []

    def hear(sender, sessions, count, reason, actor, **kwargs):
        told.append((sorted(str(session.pk) for session in sessions), count, reason, actor))

    signals.session_revoked.connect(hear)
    yield told
    signals.session_revoked.disconnect(hear)


def records_of(session):
    session.refresh_from_db()
    return list(session.events.filter(kind=EventKind.REVOKED))


@pytest.mark.parametrize("way", STAFF)
def test_staff_leave_the_same_record_whichever_way_they_take(
    way, desk, boss, heard, django_capture_on_commit_callbacks
):
    session = lifecycle.start_session(UserFactory()).session
    with django_capture_on_commit_callbacks(execute=True):
        STAFF[way](desk, session)

    [event] = records_of(session)
    assert session.revocation_reason == event.reason == RevocationReason.ADMIN
    assert session.revoked_at == event.created_at
    assert (event.user, event.actor) == (session.user, boss)
    assert heard == [([str(session.pk)], 1, "admin", boss)]
    everybody = Cutoff.objects.exists()
    assert RevocationNotice.objects.get().session_id == (None if everybody else session.pk)
    # A command runs nowhere, and the end of everybody tells from where in an event of its own.
    if "command" not in way and not everybody:
        assert (event.ip_address, event.user_agent) == (ADDRESS, AGENT)


PERSON = {
    "logging out": ("post", "/auth/logout/", RevocationReason.LOGOUT),
    "logging out everywhere": ("post", "/auth/logout-all/", RevocationReason.LOGOUT_ALL),
    "ending it in the list": ("delete", "/auth/sessions/{}/", RevocationReason.ENDED_BY_USER),
}


@pytest.mark.parametrize("way", PERSON)
def test_people_leave_the_same_record_of_their_own_ends(
    way, heard, django_capture_on_commit_callbacks
):
    method, path, reason = PERSON[way]
    user = UserFactory()
    issued = lifecycle.start_session(user)
    acting = lifecycle.start_session(user) if method == "delete" else issued
    with django_capture_on_commit_callbacks(execute=True):
        answer = by_the_person(method, path.format(issued.session.pk), acting)
    assert answer.status_code in (200, 204)

    session = Session.objects.get(pk=issued.session.pk)
    [event] = records_of(session)
    assert session.revocation_reason == event.reason == reason
    assert session.revoked_at == event.created_at
    # A logout is the session's own doing: its token is asked for nobody's name.
    actor = None if reason == RevocationReason.LOGOUT else user
    assert (event.user, event.actor) == (user, actor)
    assert (event.ip_address, event.user_agent) == (ADDRESS, AGENT)
    assert heard == [([str(session.pk)], 1, reason, actor)]
    assert RevocationNotice.objects.get().session_id == session.pk
