"""The page about the public names is complete, and its examples work."""

import inspect
import re
from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIRequestFactory

from token_lifecycle import exceptions, lifecycle, tokens
from token_lifecycle.models import Session
from token_lifecycle.testing import PASSWORD, SessionFactory, UserFactory, authorization

from .pages import PAGES, code_in, run, table, the

PAGE = PAGES["docs/your-code.md"]
#: Of a transaction, and not of a verb.
AROUND = ("BEGIN", "SAVEPOINT", "RELEASE", "COMMIT", "ROLLBACK")


def test_the_signatures_shown_are_those_of_the_code():
    block = run(the("runs: signatures"))
    verbs = {name for name in lifecycle.__all__ if name[0].islower()} - {"prune", "sweep"}
    assert verbs == {name for name, value in vars(block).items() if inspect.isfunction(value)}
    for verb in verbs:
        shown = inspect.signature(getattr(block, verb)).parameters.values()
        real = inspect.signature(getattr(lifecycle, verb)).parameters.values()
        assert [(p.name, p.kind, p.default) for p in shown] == [
            (p.name, p.kind, p.default) for p in real
        ]


def test_every_verb_and_every_error_is_in_a_table():
    verbs = [code_in(name)[0] for name, *_ in table(PAGE, "## The verbs")]
    assert sorted(verbs) == sorted(name for name in lifecycle.__all__ if name[0].islower())
    shown = {code_in(name)[0]: code_in(code) for name, code, _ in table(PAGE, "## Errors")}
    ours = {
        name: [value.code]
        for name, value in vars(exceptions).items()
        if inspect.isclass(value) and issubclass(value, exceptions.TokenLifecycleError)
    }
    del ours["TokenLifecycleError"]
    assert shown == ours | {"TokenRefused": []}


def test_every_module_named_is_there():
    for cell, _ in table(PAGE, "# In your own code"):
        for module in code_in(cell):
            import_module(module if module[0] == "t" else f"token_lifecycle{module}")


@pytest.fixture
def statements():
    """The number in the table, and what a call needs."""

    def count(call):
        with CaptureQueriesContext(connection) as captured:
            call()
        return sum(not query["sql"].startswith(AROUND) for query in captured)

    return count


@pytest.mark.django_db(transaction=True)
def test_each_verb_needs_no_more_statements_than_the_page_says(statements):
    told = {
        code_in(name)[0]: int(number[1])
        for name, *_, cell in table(PAGE, "## The verbs")
        if (number := re.match(r"(\d+)", cell))
    }
    user = UserFactory()

    def started():
        return lifecycle.start_session(user)

    def keep():
        with lifecycle.keep_session(kept):
            pass

    kept, claims = started().session.pk, tokens.parse_access(started().access)
    rotated, signed_out, ended = started().refresh, started().refresh, started().session.pk
    calls = {
        "start_session": started,
        "rotate": lambda: lifecycle.rotate(rotated),
        "check_access": lambda: lifecycle.check_access(claims),
        "is_vouched_for": lambda: lifecycle.is_vouched_for(claims),
        "keep_session": keep,
        "revoke_session": lambda: lifecycle.revoke_session(ended),
        "revoke_by_token": lambda: lifecycle.revoke_by_token(signed_out),
        "revoke_sessions_of": lambda: lifecycle.revoke_sessions_of(user, keep=kept),
        "revoke_sessions": lambda: lifecycle.revoke_sessions(Session.objects.all()),
        "revoke_everybody": lifecycle.revoke_everybody,
    }
    SessionFactory.create_batch(9)
    assert calls.keys() == told.keys()
    needed = {name: statements(call) for name, call in calls.items()}
    assert {name: count for name, count in needed.items() if count > told[name]} == {}


class TestThePasswordView:
    @pytest.fixture
    def change(self):
        view = run(the("runs: keep_session")).ChangePasswordView.as_view()

        def change(issued, body):
            request = APIRequestFactory().post("/", body, format="json", **authorization(issued))
            return view(request)

        return change

    @pytest.mark.parametrize(
        ("body", "wrong"),
        [
            ({"old_password": "wrong", "new_password": "a better one"}, "old_password"),
            ({"old_password": PASSWORD, "new_password": "123"}, "new_password"),
            ({"old_password": PASSWORD}, "new_password"),
        ],
        ids=["wrong", "weak", "missing"],
    )
    def test_what_is_wrong_is_answered_with_400_and_named(
        self, user, change, settings, body, wrong
    ):
        name = "django.contrib.auth.password_validation.MinimumLengthValidator"
        settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": name}]
        issued = lifecycle.start_session(user)
        answer = change(issued, body)
        assert (answer.status_code, list(answer.data)) == (400, [wrong])
        user.refresh_from_db()
        assert user.check_password(PASSWORD)

    @pytest.mark.parametrize("mode", ["database", "memory", "none"])
    def test_it_keeps_its_own_session_and_ends_the_others(self, api, user, change, options, mode):
        options(REVOCATION_CHECK=mode)
        here, there = lifecycle.start_session(user), lifecycle.start_session(user)
        body = {"old_password": PASSWORD, "new_password": "a longer and better one"}
        assert change(here, body).status_code == 204
        options(REVOCATION_CHECK="database")
        assert api.get("/whoami/", **authorization(here)).status_code == 200
        assert api.get("/whoami/", **authorization(there)).status_code == 401


def test_the_blocks_that_end_sessions_end_them(db):
    user = UserFactory(email="anna@left.example")
    block = run(the("runs: revoke"))
    kept = lifecycle.start_session(user).session
    lifecycle.start_session(user)
    assert block.somebody_reported_their_phone_stolen(user, kept.pk) == 1
    assert block.the_company_left("@left.example") == 1
    old = lifecycle.start_session(user).session
    Session.objects.filter(pk=old.pk).update(created_at=old.created_at - timedelta(days=8))
    run(the("runs: shorten"))
    old.refresh_from_db()
    assert old.revoked_at is not None


def test_outside_of_a_view_the_caller_is_known_or_nobody(user):
    caller = run(the("runs: outside")).caller
    issued = lifecycle.start_session(user)

    def asked(**headers):
        return caller(RequestFactory().get("/", **headers))

    assert asked(**authorization(issued)) == user
    assert asked() is None
    lifecycle.revoke_session(issued.session.pk)
    assert asked(**authorization(issued)) is None
