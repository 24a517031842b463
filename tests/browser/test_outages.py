"""The server says no, says nothing, or says it too late."""

import pytest

ECHO = "return (await auth.fetch('/api/echo/')).status"
REFRESH = "/auth/refresh/"
STAY = "() => { window.stay = true }"


def stay(*tabs):
    for tab in tabs:
        tab.page.evaluate(STAY)


def test_a_lost_answer_is_recovered_inside_the_grace_period(profile):
    tab = profile.signed_in()
    profile.server.stage("expire")
    profile.server.stage("fault", path=REFRESH, faults=["drop", None])
    assert tab.run(ECHO) == 200
    assert profile.server.refreshes() == 2
    (session,) = profile.server.stage("sessions")
    assert session == {"generation": 2, "reason": "", "live": True}, "one line, rotated once"


def test_a_lost_answer_is_recovered_for_five_tabs(profile):
    tabs = profile.signed_in(tabs=5)
    profile.server.stage("expire")
    profile.server.stage("fault", path=REFRESH, faults=["drop", None])
    for tab in tabs:
        tab.start(ECHO)
    assert [tab.finish() for tab in tabs] == [200] * 5
    assert profile.server.refreshes() == 2


def test_an_outage_keeps_the_session_and_ends(profile):
    tab = profile.signed_in(retries=1)
    profile.server.stage("expire")
    profile.server.stage("fault", path=REFRESH, faults=["503"])
    assert tab.run(ECHO) == 401
    assert tab.run(ECHO) == 401
    assert profile.server.refreshes() == 2, "then the server is left alone"
    assert tab.state == "authenticated"
    assert tab.left == []
    assert profile.cookie("refresh_token")
    profile.server.stage("fault", path=REFRESH, faults=[])
    tab.keep_trying("return (await auth.fetch('/api/echo/')).ok")
    assert tab.events == ["login", "offline", "online", "refreshed"]


def test_a_server_restart_in_the_middle_costs_nobody_the_session(profile):
    first, second = profile.signed_in(tabs=2)
    profile.server.stop()
    assert first.run("return auth.fetch('/api/echo/').catch(({ name }) => name)") == "TypeError"
    first.start("return auth.refresh().catch(({ code }) => code)")
    profile.server.start()
    assert first.finish() is not None
    for tab in (first, second):
        # The new process has forgotten which tokens it issued: they are refused, and refreshed.
        tab.keep_trying("return auth.fetch('/api/echo/').then(({ ok }) => ok, () => false)")
    assert first.left == second.left == []
    (session,) = profile.server.stage("sessions")
    assert session["live"]


def test_going_offline_keeps_the_session_and_coming_back_renews_it(profile):
    tab = profile.signed_in(leeway=100_000, retries=1)
    # The leeway takes a quarter of the token's life; let that quarter begin.
    tab.page.evaluate(
        "() => { const now = Date.now; Date.now = () => now() + 0.8 * 15 * 60 * 1000; }"
    )
    profile.context.set_offline(True)
    assert tab.run("return auth.fetch('/api/echo/').catch(({ name }) => name)") == "TypeError"
    assert tab.state == "authenticated"
    profile.context.set_offline(False)
    tab.until("events.some(({ type }) => type === 'refreshed')")
    assert tab.events == ["login", "offline", "online", "refreshed"]
    assert tab.run(ECHO) == 200
    assert profile.server.refreshes() == 1


def test_a_refused_refresh_is_one_call_and_every_tab_goes_to_the_login_page_once(profile):
    tabs = profile.signed_in(tabs=5)
    stay(*tabs)
    profile.server.stage("revoke")
    for tab in tabs:
        tab.start(f"{ECHO.replace('return', 'return Promise.all([1, 2, 3].map(async () =>')}))")
    for tab in tabs:
        assert tab.finish() == [401] * 3
        tab.until("left.length")
    assert profile.server.refreshes() == 1
    assert [tab.left for tab in tabs] == [["revoked"]] * 5
    assert profile.cookie("refresh_token") is None
    assert profile.cookie("tl_hint") is None


def test_the_login_page_is_told_the_way_back_as_a_path(profile):
    first, second = profile.signed_in(tabs=2)
    profile.server.stage("revoke")
    first.start(ECHO)
    for tab in (first, second):
        tab.page.wait_for_url("**/login/?next=%2Fpage%2F%3Fview%3Dlist")


@pytest.mark.parametrize("status", [400, 403])
def test_a_server_that_refuses_with_another_status_is_understood(profile, status):
    tab = profile.signed_in()
    stay(tab)
    profile.server.stage("configure", refused_status=status)
    profile.server.stage("revoke")
    assert tab.run(ECHO) == 401
    assert tab.left == ["revoked"]
    assert profile.server.requests(REFRESH)[0]["status"] == status


def test_a_stolen_refresh_token_ends_the_session_for_both(profile):
    tab = profile.signed_in()
    stay(tab)
    profile.server.stage("configure", grace=0)
    stolen = profile.context.cookies()
    assert tab.run(ECHO) == 200
    thief = profile.context.browser.new_context()
    thief.add_cookies(stolen)
    page = thief.new_page()
    page.add_init_script("window.options = {}")
    page.goto(f"{profile.server.origin}/page/")
    page.wait_for_function("() => window.auth")
    assert page.evaluate("() => auth.bootstrap()") is True
    profile.server.stage("expire")
    assert tab.run(ECHO) == 401
    assert tab.left == ["reuse_detected"]
    page.evaluate("() => { window.stay = true }")
    assert page.evaluate("() => auth.fetch('/api/echo/').then(({ status }) => status)") == 401
    assert page.evaluate("() => left") == ["revoked"]
    thief.close()


def test_an_endpoint_that_always_answers_401_costs_one_refresh_and_no_session(profile):
    tab = profile.signed_in()
    answer = tab.run(
        """
        const answer = await auth.fetch('/api/grumpy/');
        return [answer.status, (await answer.json()).detail];
        """
    )
    assert answer == [401, "The moon is in the wrong phase."]
    assert profile.server.refreshes() == 1
    assert len(profile.server.requests("/api/grumpy/")) == 2
    assert tab.left == []
    assert tab.run(ECHO) == 200


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_an_hour_off_costs_no_request(profile, hours):
    profile.context.add_init_script(
        f"const now = Date.now; Date.now = () => now() + {hours} * 3600 * 1000"
    )
    tab = profile.signed_in()
    assert [tab.run(ECHO) for _ in range(3)] == [200] * 3
    assert profile.server.refreshes() == 0
    profile.server.stage("expire")
    assert tab.run(ECHO) == 200
    assert profile.server.refreshes() == 1
    life = tab.run("return auth.expiresAt - Date.now()")
    assert 14 * 60_000 < life <= 15 * 60_000


def test_a_refused_csrf_token_is_renewed_and_nobody_is_signed_out(profile):
    tab = profile.signed_in()
    cookie = profile.cookie("csrftoken")
    profile.context.add_cookies([{**cookie, "value": "broken"}])
    assert tab.run("return Boolean(await auth.refresh())") is True
    assert [entry["status"] for entry in profile.server.requests(REFRESH)] == [403, 200]


def test_a_missing_csrf_token_is_fetched_before_it_is_missed(profile):
    tab = profile.signed_in()
    profile.context.clear_cookies(name="csrftoken")
    assert tab.run("return Boolean(await auth.refresh())") is True
    assert [entry["path"] for entry in profile.server.stage("log")] == ["/auth/csrf/", REFRESH]


def test_signing_out_without_a_server_signs_nobody_out(profile):
    tab = profile.signed_in()
    profile.server.stage("fault", path="/auth/logout/", faults=["503"])
    assert tab.run("return auth.logout().catch(({ code }) => code)") == "unavailable"
    assert tab.state == "authenticated"
    assert tab.run(ECHO) == 200


def test_signing_out_everywhere_ends_the_other_devices_too(profile):
    tab = profile.signed_in()
    stay(tab)
    other = profile.context.browser.new_context()
    elsewhere = type(profile)(other, profile.server)
    phone = elsewhere.signed_in()
    stay(phone)
    profile.server.stage("expire")
    tab.run("await auth.logout({ everywhere: true })")
    assert tab.left == ["user"]
    assert [session["live"] for session in profile.server.stage("sessions")] == [False, False]
    assert phone.run(ECHO) == 401
    assert phone.left == ["revoked"]
    other.close()
