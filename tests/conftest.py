"""What the whole suite shares."""

import os

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from tests.leaks import scanner
from tests.sign_ins import START
from token_lifecycle.feed import feed
from token_lifecycle.testing import UserFactory

#: Where every server and the browser are there, a skipped test is a failure.
REQUIRE_ALL = "TOKEN_LIFECYCLE_REQUIRE_ALL"


def pytest_sessionfinish(session):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get(REQUIRE_ALL) and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_configure(config):
    config.addinivalue_line("markers", "leaks(reason): lets a secret out on purpose")


@pytest.fixture(autouse=True, scope="session")
def _scanner():
    with scanner.installed():
        yield


def pytest_runtest_logstart():
    scanner.begin()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.when == "call" and report.passed:
        mark = item.get_closest_marker("leaks")
        wrong = scanner.verdict(report.capstdout + report.capstderr, mark)
        if wrong:
            report.outcome, report.longrepr = "failed", wrong
    return report


@pytest.fixture(autouse=True)
def _empty_cache():
    cache.clear()


@pytest.fixture(autouse=True)
def _no_list_goes_on():
    """A process that checks by the list reads notices at each end, and tests count statements."""
    yield
    if feed.in_use:
        feed.stop()


@pytest.fixture
def api():
    """DRF's test client, which sends JSON unless told otherwise."""
    client = APIClient()
    client.default_format = "json"
    return client


@pytest.fixture
def user(db):
    return UserFactory()


@pytest.fixture
def clock(time_machine):
    time_machine.move_to(START, tick=False)
    return time_machine


@pytest.fixture
def options(settings):
    """Change settings of this app for one test."""

    def change(**changed):
        settings.TOKEN_LIFECYCLE = {**settings.TOKEN_LIFECYCLE, **changed}

    return change
