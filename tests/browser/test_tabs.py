"""Several tabs of one browser, one session."""

import pytest

from tests.browser.conftest import Profile, launch

TEN = """
  const answers = await Promise.all(Array.from({ length: 10 }, () => auth.fetch('/api/echo/')));
  return answers.map(({ status }) => status);
"""

WITHOUT_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })"
WITHOUT_CHANNEL = "delete window.BroadcastChannel"


def ten_each(tabs):
    """Ten requests in every tab at once; all statuses."""
    for tab in tabs:
        tab.start(TEN)
    return [status for tab in tabs for status in tab.finish()]


def test_five_tabs_of_ten_refused_requests_cost_one_refresh_twenty_times_in_a_row(profile):
    tabs = profile.signed_in(tabs=5)
    for run in range(20):
        profile.server.stage("clear_log")
        profile.server.stage("expire")
        assert ten_each(tabs) == [200] * 50
        assert profile.server.refreshes() == 1, f"in run {run}"
    (session,) = profile.server.stage("sessions")
    assert session == {"generation": 21, "reason": "", "live": True}


def test_without_lock_and_sharing_the_same_tabs_refresh_more_than_once(profile):
    profile.context.add_init_script(WITHOUT_LOCKS)
    tabs = profile.signed_in(tabs=5, share=False)
    profile.server.stage("clear_log")
    profile.server.stage("expire")
    ten_each(tabs)
    assert profile.server.refreshes() > 1


def test_without_the_lock_alone_tabs_that_meet_a_slow_refresh_send_their_own(profile):
    profile.context.add_init_script(WITHOUT_LOCKS)
    # Nobody may lose patience, for that would be a second refresh too.
    tabs = profile.signed_in(tabs=5, refreshTimeout=60_000, lockTimeout=60_000)
    profile.server.stage("clear_log")
    profile.server.stage("expire")
    profile.server.stage("fault", path="/auth/refresh/", faults=["hold"])
    for tab in tabs:
        tab.start(TEN)
    profile.server.until(lambda: profile.server.refreshes() > 1, "a second refresh")
    profile.server.stage("release")
    assert [status for tab in tabs for status in tab.finish()] == [200] * 50


def test_a_server_without_grace_is_not_offended_by_five_tabs(profile):
    profile.server.stage("configure", grace=0)
    tabs = profile.signed_in(tabs=5)
    profile.server.stage("expire")
    assert ten_each(tabs) == [200] * 50
    assert profile.server.refreshes() == 1


@pytest.mark.parametrize(
    ("lacking", "options"),
    [
        ("", {"share": False}),
        (WITHOUT_CHANNEL, {}),
        (WITHOUT_LOCKS, {}),
        (f"{WITHOUT_LOCKS}; {WITHOUT_CHANNEL}", {}),
    ],
    ids=["sharing", "BroadcastChannel", "locks", "both"],
)
def test_every_request_succeeds_without(profile, lacking, options):
    if lacking:
        profile.context.add_init_script(lacking)
    tabs = profile.signed_in(tabs=5, **options)
    profile.server.stage("expire")
    assert ten_each(tabs) == [200] * 50
    (session,) = profile.server.stage("sessions")
    assert session["live"]


def test_a_new_tab_gets_its_token_from_another(profile):
    profile.signed_in()
    new = profile.tab()
    assert new.run("return auth.bootstrap()") is True
    assert new.run("return (await auth.fetch('/api/echo/')).status") == 200
    assert profile.server.refreshes() == 0


def test_a_page_loaded_alone_refreshes_once(profile):
    tab = profile.signed_in()
    tab.page.reload()
    tab.until("window.auth")
    assert tab.run(TEN) == [200] * 10
    assert profile.server.refreshes() == 1


def test_a_visitor_who_never_signed_in_costs_no_refresh(profile):
    tab = profile.tab()
    assert tab.run("return auth.bootstrap()") is False
    assert tab.run("return (await auth.fetch('/api/echo/')).status") == 401
    assert profile.server.refreshes() == 0
    assert tab.left == []


def test_a_lock_that_is_held_for_ever_only_delays(profile):
    first, second = profile.signed_in(tabs=2, lockTimeout=300)
    first.run(
        """
        await new Promise((granted) => {
          const held = new Promise(() => {});
          navigator.locks.request('tl:/auth/:refresh', () => { granted(); return held; });
        });
        """
    )
    profile.server.stage("expire")
    assert ten_each([first, second]) == [200] * 20
    held = first.run("return (await navigator.locks.query()).held.length")
    assert held == 1, "it was not stolen"


def test_a_tab_closed_in_the_middle_of_its_refresh_costs_the_others_nothing(profile):
    first, second = profile.signed_in(tabs=2)
    profile.server.stage("expire")
    profile.server.stage("fault", path="/auth/refresh/", faults=["hold", None])
    first.start("await auth.fetch('/api/echo/')")
    profile.server.until(lambda: profile.server.refreshes() == 1, "the refresh")
    second.start(TEN)
    profile.server.until(
        lambda: len(profile.server.requests("/api/echo/")) == 11, "the other tab's requests"
    )
    first.page.close()
    assert second.finish() == [200] * 10
    profile.server.stage("release")
    (session,) = profile.server.stage("sessions")
    assert session["live"]


def test_a_sign_in_reaches_the_other_tabs(profile):
    first, second = profile.tab(), profile.tab()
    assert second.run("return auth.bootstrap()") is False
    profile.sign_in(first)
    second.until("auth.state === 'authenticated'")
    assert second.events == ["login"]
    assert second.run(TEN) == [200] * 10


def test_signing_out_in_one_tab_reaches_all(profile):
    tabs = profile.signed_in(tabs=3)
    for tab in tabs:
        tab.page.evaluate("() => { window.stay = true }")
    tabs[0].run("await auth.logout()")
    for tab in tabs:
        tab.until("auth.state === 'anonymous'")
    assert [tab.left for tab in tabs] == [["user"], ["remote"], ["remote"]]
    assert profile.cookie("refresh_token") is None
    assert profile.cookie("tl_hint") is None
    (session,) = profile.server.stage("sessions")
    assert session["reason"] == "logout"
    assert tabs[1].run("return (await auth.fetch('/api/echo/')).status") == 401
    assert profile.server.refreshes() == 0


def test_signing_out_reaches_tabs_without_a_channel(profile):
    profile.context.add_init_script(WITHOUT_CHANNEL)
    first, second = profile.signed_in(tabs=2)
    first.run("await auth.logout()")
    second.page.wait_for_url("**/login/")


def test_a_refresh_under_way_does_not_undo_a_sign_out(profile):
    first, second = profile.signed_in(tabs=2)
    for tab in (first, second):
        tab.page.evaluate("() => { window.stay = true }")
    profile.server.stage("fault", path="/auth/refresh/", faults=["hold", None])
    first.start("return auth.refresh().catch(({ code }) => code)")
    profile.server.until(lambda: profile.server.refreshes() == 1, "the refresh")
    second.run("await auth.logout()")
    first.until("auth.state === 'anonymous'")
    profile.server.stage("release")
    assert first.finish() == "rejected"
    assert first.state == "anonymous"
    (session,) = profile.server.stage("sessions")
    assert not session["live"]
    assert profile.tab().run("return auth.bootstrap()") is False


@pytest.fixture
def caching_profile(playwright, server):
    """A browser that keeps the pages one leaves, as people's browsers do."""
    browser = launch(playwright, ignore_default_args=["--disable-back-forward-cache"])
    yield Profile(browser.new_context(), server)
    browser.close()


@pytest.mark.parametrize("lacking", ["", WITHOUT_CHANNEL], ids=["evicted", "kept"])
def test_a_page_that_comes_back_learns_of_the_sign_out_it_missed(caching_profile, lacking):
    caching_profile.context.add_init_script(lacking)
    leaving, staying = caching_profile.signed_in(tabs=2)
    leaving.page.evaluate("() => { window.stay = true }")
    leaving.page.goto(f"{caching_profile.server.origin}/login/")
    staying.run("await auth.logout()")
    leaving.page.go_back(wait_until="commit")
    leaving.until("window.auth")
    assert leaving.run("return auth.bootstrap()") is False
    # A message on the channel makes Chromium give up the kept page; without one it is restored.
    assert leaving.left == (["remote"] if lacking else [])


def test_a_page_that_comes_back_is_still_signed_in(caching_profile):
    tab = caching_profile.signed_in()
    tab.page.goto(f"{caching_profile.server.origin}/login/")
    tab.page.go_back(wait_until="commit")
    tab.until("window.auth")
    assert tab.run(TEN) == [200] * 10
    assert tab.events == ["login"], "it is the page that was left"
    assert caching_profile.server.refreshes() == 0
