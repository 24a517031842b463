"""The management commands that a project runs: what they print, ask, end and remove."""

import io
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from django.utils import timezone, translation

from token_lifecycle import lifecycle
from token_lifecycle.exceptions import Unavailable
from token_lifecycle.management import choosing, progress
from token_lifecycle.management.commands import end_sessions, prune_sessions
from token_lifecycle.models import Cutoff, EventKind, RevocationReason, Session, SessionEvent
from token_lifecycle.testing import SessionFactory, UserFactory

pytestmark = pytest.mark.django_db


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self):
        return True


def run(name, *arguments, out=None, **options):
    out = io.StringIO() if out is None else out
    call_command(name, *arguments, stdout=out, no_color=True, **options)
    return out.getvalue()


# prune_sessions


def old_rows(*, sessions, events):
    long_ago = timezone.now() - timedelta(days=365)
    SessionFactory.create_batch(sessions, created_at=long_ago, user=UserFactory())
    for _ in range(events):
        SessionEvent.objects.create(kind=EventKind.STARTED, created_at=long_ago)


def test_prune_removes_what_is_over_for_long_and_says_how_much():
    old_rows(sessions=2, events=1)
    kept = SessionFactory()
    assert run("prune_sessions") == "Removed 2 sessions and 1 event.\n"
    assert list(Session.objects.all()) == [kept]
    assert not SessionEvent.objects.exists()
    assert run("prune_sessions") == "Removed 0 sessions and 0 events.\n"


def test_a_dry_run_counts_and_removes_nothing():
    old_rows(sessions=1, events=2)
    assert run("prune_sessions", "--dry-run") == "Would remove 1 session and 2 events.\n"
    assert Session.objects.count() == 1
    assert SessionEvent.objects.count() == 2


def test_prune_passes_the_batch_size_on(monkeypatch):
    seen = []
    monkeypatch.setattr(
        prune_sessions.lifecycle,
        "prune",
        lambda **options: seen.append(options) or lifecycle.Pruned(sessions=0, events=0),
    )
    run("prune_sessions", "--batch-size", "7", "--busy", "0.5")
    assert (seen[0]["batch_size"], seen[0]["busy"]) == (7, 0.5)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_that_would_never_end_is_refused(size):
    old_rows(sessions=1, events=0)
    with pytest.raises(CommandError, match="at least 1"):
        run("prune_sessions", batch_size=size)
    assert Session.objects.count() == 1


@pytest.mark.parametrize("share", ["0", "-0.1", "1.1", "nan"])
def test_a_share_of_the_time_that_is_none_is_refused(share):
    with pytest.raises(CommandError, match="above 0"):
        run("prune_sessions", f"--busy={share}")


def test_a_log_gets_a_line_now_and_then_and_no_control_characters(monkeypatch):
    monkeypatch.setattr(progress, "ROWS_PER_LINE", 2)
    old_rows(sessions=5, events=0)
    assert run("prune_sessions", "--batch-size", "1", "--busy", "1") == (
        "2 rows so far\n4 rows so far\nRemoved 5 sessions and 0 events.\n"
    )


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end():
    old_rows(sessions=3, events=1)
    drawn = run("prune_sessions", "--batch-size", "1", "--busy", "1", out=Terminal()).split("\r")
    assert [line.strip() for line in drawn if "%" in line] == [
        "[##########..............................]  25% 1 of 4 rows",
        "[####################....................]  50% 2 of 4 rows",
        "[##############################..........]  75% 3 of 4 rows",
        "[########################################] 100% 4 of 4 rows",
    ]
    assert drawn[-2].strip() == ""
    assert drawn[-1] == "Removed 3 sessions and 1 event.\n"


def test_the_bar_never_passes_the_end_nor_the_width_of_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    bar = progress.Bar(OutputWrapper(out), total=1)
    bar.advance(5)
    bar.advance(5)
    bar.close()
    assert {len(line) for line in out.getvalue().split("\r") if line} == {19}


def test_the_bar_is_cleared_when_the_work_fails(monkeypatch):
    def fail(*, dry_run=False, **options):
        if not dry_run:
            raise RuntimeError
        return lifecycle.Pruned(sessions=1, events=1)

    monkeypatch.setattr(prune_sessions.lifecycle, "prune", fail)
    out = Terminal()
    with pytest.raises(RuntimeError):
        run("prune_sessions", out=out)
    assert out.getvalue().endswith("\r")


@pytest.mark.parametrize("out", [io.StringIO, Terminal])
def test_prune_is_silent_when_asked_to_be(out):
    old_rows(sessions=1, events=0)
    assert run("prune_sessions", out=out(), verbosity=0) == ""
    assert not Session.objects.exists()


# end_sessions


@pytest.fixture
def answer(monkeypatch):
    """Answers the prompt; gives back what was asked."""
    asked = []

    def answers(text):
        def reply(prompt):
            asked.append(prompt)
            if text is None:
                raise EOFError
            return text

        monkeypatch.setattr("builtins.input", reply)
        return asked

    # Whoever forgets to answer must not be asked.
    answers("unexpected")
    return answers


def is_ended(session):
    session.refresh_from_db()
    return session.revoked_at is not None


def test_the_sessions_of_the_named_users_end_and_no_others():
    anna, bob, carol = UserFactory(username="anna"), UserFactory(), UserFactory(username="carol")
    theirs = [SessionFactory(user=user) for user in (anna, anna, bob)]
    spared = SessionFactory(user=carol)
    said = run("end_sessions", "--user", "anna", str(bob.pk), "--user", "anna", "--no-input")
    assert said == "Ended 3 live sessions.\n"
    assert all(map(is_ended, theirs))
    assert not is_ended(spared)
    assert {session.revocation_reason for session in theirs} == {RevocationReason.ADMIN}
    assert SessionEvent.objects.filter(kind=EventKind.REVOKED, actor=None).count() == 3


def test_all_sessions_of_everybody_end():
    rows = SessionFactory.create_batch(3)
    assert run("end_sessions", "--all", "--no-input") == "Ended 3 live sessions.\n"
    assert all(map(is_ended, rows))


def test_the_question_says_how_many_sessions_of_how_many_users_will_end(answer):
    asked = answer("yes")
    row = SessionFactory()
    SessionFactory(user=row.user)
    SessionFactory(user=row.user, ended=True)
    assert run("end_sessions", "--all") == "Ended 2 live sessions.\n"
    assert asked == ["This will end 2 live sessions of 1 user. Go on? [y/N] "]


@pytest.mark.parametrize("text", ["y", "Y", " yes "])
def test_a_yes_ends_them(answer, text):
    answer(text)
    row = SessionFactory()
    run("end_sessions", "--all")
    assert is_ended(row)


@pytest.mark.parametrize("text", ["", "n", "no", "yep", None])
def test_anything_but_a_yes_ends_nothing(answer, text):
    answer(text)
    row = SessionFactory()
    with pytest.raises(CommandError, match="othing was ended") as raised:
        run("end_sessions", "--all")
    assert raised.value.returncode == 1
    assert not is_ended(row)


def test_without_a_live_session_nobody_is_asked(answer):
    asked = answer("yes")
    over = SessionFactory(ended=True)
    assert run("end_sessions", "--user", over.user.username) == (
        "There is no live session to end.\n"
    )
    assert asked == []


@pytest.mark.parametrize("name", ["nobody", "", "99999999999999999999999", "-1", "\0", "1.5"])
def test_one_unknown_user_ends_nothing_for_anybody(name):
    row = SessionFactory(user__username="anna")
    with pytest.raises(CommandError, match="no user with the name or key"):
        run("end_sessions", f"--user={name}", "--user=anna", "--no-input")
    assert not is_ended(row)


def test_a_name_that_is_the_key_of_another_user_is_asked_back():
    keyed = SessionFactory(user__username="bob")
    named = SessionFactory(user__username=str(keyed.user.pk))
    with pytest.raises(CommandError) as raised:
        run("end_sessions", "--user", str(keyed.user.pk), "--no-input")
    assert repr(str(named.user.pk)) in str(raised.value)
    assert "'bob'" in str(raised.value)
    assert not is_ended(keyed)
    assert not is_ended(named)
    run("end_sessions", "--user", "bob", "--no-input")
    assert is_ended(keyed)


def test_the_sessions_of_an_inactive_user_can_be_ended():
    row = SessionFactory(user__is_active=False, user__username="gone")
    run("end_sessions", "--user", "gone", "--no-input", verbosity=0)
    assert is_ended(row)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--all", "--user", "anna"],
        ["--all", "--older-than", "1d"],
        ["--all", "--ip", "::/0"],
        ["--user"],
        ["--user-agent", ""],
        ["--older-than", "soon"],
        ["--older-than", "-1d"],
        ["--unused-for", "0d"],
        ["--unused-for", "9999999d"],
        ["--ip", "nowhere"],
        ["--user-agent", "  "],
        ["--method", ""],
        ["--user", "anna", "--method", ""],
        ["--user", "anna", "--user-agent", ""],
        ["--unused-for", "999999w"],
        ["--user", "anna", "--batch-size", "0"],
        ["--dry-run"],
    ],
)
def test_it_must_be_said_whose_sessions_are_meant(arguments):
    row = SessionFactory()
    with pytest.raises(CommandError):
        run("end_sessions", *arguments, "--no-input")
    assert not is_ended(row)


# Choosing


def aged(days, **columns):
    """A session that signed in so long ago, and was refreshed today unless told otherwise."""
    return SessionFactory(created_at=timezone.now() - timedelta(days=days), **columns)


def unused(days):
    """A session that lives long and was last refreshed so long ago."""
    ago = timezone.now() - timedelta(days=days)
    later = timezone.now() + timedelta(days=1)
    return SessionFactory(created_at=ago, rotated_at=ago, idle_expires_at=later, expires_at=later)


CHOICES = {
    "user": (["--user", "anna"], {"user__username": "anna"}, {"user__username": "bob"}),
    "user agent, in any case": (
        ["--user-agent", "FIREFOX/140"],
        {"user_agent": "Mozilla/5.0 Firefox/140.0"},
        {"user_agent": "Mozilla/5.0 Firefox/141.0"},
    ),
    "a percent sign means itself": (
        ["--user-agent", "100%"],
        {"user_agent": "Shop 100%"},
        {"user_agent": "Shop 1000"},
    ),
    "address": (["--ip", "192.0.2.7"], {"ip_address": "192.0.2.7"}, {"ip_address": "192.0.2.70"}),
    "network": (
        ["--ip", "192.0.2.0/25"],
        {"ip_address": "192.0.2.127"},
        {"ip_address": "192.0.2.128"},
    ),
    "network of the new kind": (
        ["--ip", "2001:db8::/32"],
        {"ip_address": "2001:db8:0:1::1"},
        {"ip_address": "2001:db9::1"},
    ),
    "several networks": (
        ["--ip", "198.51.100.0/24", "2001:db8::/32"],
        {"ip_address": "2001:db8::1"},
        {"ip_address": None},
    ),
    "all of the old internet is not the new one": (
        ["--ip", "0.0.0.0/0"],
        {"ip_address": "192.0.2.1"},
        {"ip_address": "2001:db8::1"},
    ),
    "method": (["--method", "sso"], {"auth_method": "sso"}, {"auth_method": "password"}),
    "all that is given": (
        ["--method", "sso", "--ip", "192.0.2.0/24"],
        {"auth_method": "sso", "ip_address": "192.0.2.1"},
        {"auth_method": "sso", "ip_address": "198.51.100.1"},
    ),
}


@pytest.mark.parametrize("case", CHOICES)
def test_those_that_fit_end_and_the_others_stay(case):
    arguments, fits, does_not = CHOICES[case]
    chosen, spared = SessionFactory(**fits), SessionFactory(**does_not)
    assert run("end_sessions", *arguments, "--no-input") == "Ended 1 live session.\n"
    assert (is_ended(chosen), is_ended(spared)) == (True, False)


def test_those_that_signed_in_long_ago_end():
    old, new = aged(8, rotated_at=timezone.now()), aged(6)
    run("end_sessions", "--older-than", "1w", "--no-input")
    assert (is_ended(old), is_ended(new)) == (True, False)


def test_those_that_nobody_used_for_long_end():
    old, new = unused(8), unused(6)
    run("end_sessions", "--unused-for", "7d", "--no-input")
    assert (is_ended(old), is_ended(new)) == (True, False)


@pytest.mark.parametrize("more", [[], ["--ip", "0.0.0.0/0"]])
def test_a_dry_run_says_how_many_of_how_many_users_and_ends_nothing(more):
    rows = SessionFactory.create_batch(2, auth_method="sso", ip_address="192.0.2.1")
    rows.append(SessionFactory(user=rows[0].user, auth_method="sso", ip_address="192.0.2.1"))
    said = run("end_sessions", "--method", "sso", *more, "--dry-run")
    assert said == "This would end 3 live sessions of 2 users.\n"
    assert not any(map(is_ended, rows))


def test_a_dry_run_for_everybody_writes_no_cutoff():
    SessionFactory()
    said = run("end_sessions", "--all", "--dry-run")
    assert said == "This would end 1 live session of 1 user.\n"
    assert not Cutoff.objects.exists()


def test_they_end_in_batches_and_a_terminal_sees_how_far_it_came(monkeypatch):
    monkeypatch.setattr(choosing, "READ", 2)
    SessionFactory.create_batch(5, auth_method="sso", ip_address="192.0.2.1")
    arguments = ("--method", "sso", "--ip", "192.0.2.1", "--batch-size", "2", "--no-input")
    drawn = run("end_sessions", *arguments, out=Terminal())
    shown = [line.rpartition("] ")[2].strip() for line in drawn.split("\r") if "%" in line]
    assert shown == ["40% 2 of 5 rows", "80% 4 of 5 rows", "100% 5 of 5 rows"]
    assert drawn.endswith("\rEnded 5 live sessions.\n")


def test_the_audit_trail_names_whom_the_command_was_told():
    boss, row = UserFactory(username="boss"), SessionFactory(auth_method="sso")
    run("end_sessions", "--method", "sso", "--actor", "boss", "--no-input")
    assert SessionEvent.objects.get(session=row, kind=EventKind.REVOKED).actor == boss


def test_an_unknown_actor_ends_nothing():
    row = SessionFactory(auth_method="sso")
    with pytest.raises(CommandError, match="no user"):
        run("end_sessions", "--method", "sso", "--actor", "nobody", "--no-input")
    assert not is_ended(row)


def test_everybody_ends_with_one_row_that_names_the_actor():
    boss = UserFactory(username="boss")
    SessionFactory.create_batch(3)
    run("end_sessions", "--all", "--actor", "boss", "--no-input")
    cutoff = Cutoff.objects.get()
    assert cutoff.actor == boss
    assert cutoff.swept_at is not None
    assert set(SessionEvent.objects.values_list("kind", "actor")) == {
        (EventKind.EVERYBODY_ENDED, boss.pk),
        (EventKind.REVOKED, boss.pk),
    }


def test_everybody_is_meant_though_nobody_is_signed_in_yet():
    """Somebody may sign in while the question stands; the cutoff is written all the same."""
    assert run("end_sessions", "--all", "--no-input") == "Ended 0 live sessions.\n"
    assert Cutoff.objects.count() == 1


@pytest.mark.parametrize("command", [prune_sessions, end_sessions])
def test_each_command_explains_itself(command):
    name = command.__name__.rpartition(".")[2]
    done = subprocess.run(
        [sys.executable, "-m", "django", name, "--help", "--settings=tests.settings"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert command.Command.help.split()[0] in done.stdout


def test_numbers_are_grouped_as_the_language_of_the_moment_does():
    told = []
    for language in ("en", "de"):
        with translation.override(language):
            told.append(progress.grouped(12345))
    assert told == ["12,345", "12.345"]


# end_sessions: what it meets on its way


def test_an_address_inside_of_a_network_means_the_network_and_is_told_so():
    inside, outside = (
        SessionFactory(ip_address="203.0.113.9"),
        SessionFactory(ip_address="192.0.2.1"),
    )
    said = run("end_sessions", "--ip", "203.0.113.5/24", "192.0.2.77", "--no-input")
    assert said == "203.0.113.5/24 = 203.0.113.0/24\nEnded 1 live session.\n"
    assert is_ended(inside)
    assert not is_ended(outside)


def test_everybody_is_ended_before_anybody_is_counted(monkeypatch):
    row = SessionFactory()

    def fail(*arguments, **options):
        assert Cutoff.objects.exists()
        raise RuntimeError

    monkeypatch.setattr(choosing.Chosen, "count", fail)
    monkeypatch.setattr(end_sessions.lifecycle, "sweep", fail)
    for out in (io.StringIO(), Terminal()):
        Cutoff.objects.all().delete()
        with pytest.raises(RuntimeError):
            run("end_sessions", "--all", "--no-input", out=out)
        assert not Session.objects.live(timezone.now()).filter(pk=row.pk).exists()


def busy_after(calls, work):
    """``work``, to which the database answers so many times."""
    left = iter(range(calls))

    def busy(*arguments, **options):
        if next(left, None) is None:
            raise Unavailable
        return work(*arguments, **options)

    return busy


def test_a_busy_database_is_told_of_with_how_many_were_ended(monkeypatch):
    rows = SessionFactory.create_batch(3, auth_method="sso")
    work = busy_after(2, lifecycle.revoke_sessions)
    monkeypatch.setattr(end_sessions.lifecycle, "revoke_sessions", work)
    with pytest.raises(CommandError, match=r"Done so far: 2 live sessions\. Run the command again"):
        run("end_sessions", "--method", "sso", "--batch-size", "1", "--no-input")
    assert sum(map(is_ended, rows)) == 2


def test_a_database_too_busy_for_everybody_has_changed_nothing(monkeypatch):
    work = busy_after(0, lifecycle.revoke_everybody)
    monkeypatch.setattr(end_sessions.lifecycle, "revoke_everybody", work)
    with pytest.raises(CommandError, match="nothing was changed"):
        run("end_sessions", "--all", "--no-input")


def test_a_database_too_busy_for_the_rows_has_ended_everybody(monkeypatch):
    row = SessionFactory()
    monkeypatch.setattr(end_sessions.lifecycle, "sweep", busy_after(0, lifecycle.sweep))
    with pytest.raises(CommandError, match=r"^Everyone is logged out\. .*prune_sessions"):
        run("end_sessions", "--all", "--no-input")
    assert not Session.objects.live(timezone.now()).filter(pk=row.pk).exists()


def test_a_database_too_busy_to_prune_is_told_of(monkeypatch):
    monkeypatch.setattr(prune_sessions.lifecycle, "prune", busy_after(0, lifecycle.prune))
    with pytest.raises(CommandError, match="Done so far: 0 rows"):
        run("prune_sessions")


def test_who_interrupts_the_question_has_ended_nothing(monkeypatch):
    def interrupted(question):
        raise KeyboardInterrupt

    row = SessionFactory()
    monkeypatch.setattr("builtins.input", interrupted)
    with pytest.raises(CommandError, match="Nothing was ended"):
        run("end_sessions", "--all")
    assert not is_ended(row)


def test_a_silent_dry_run_says_nothing():
    assert run("prune_sessions", "--dry-run", verbosity=0) == ""
