"""What leaves the page, what stays in it, and what the browser makes of the cookies."""

import shutil
import subprocess

import pytest

from tests.browser.conftest import Profile, Server, missing

ECHO = "return (await auth.fetch('/api/echo/')).status"


def test_the_token_is_never_stored_nor_logged_nor_in_a_url(profile):
    first, second = profile.signed_in(tabs=2)
    tokens = {first.run("return auth.getToken()")}
    profile.server.stage("expire")
    assert first.run(ECHO) == second.run(ECHO) == 200
    tokens.add(first.run("return auth.getToken()"))
    profile.server.stage("revoke")
    first.start(ECHO)
    for tab in (first, second):
        tab.page.wait_for_url("**/login/**")
    stored = first.page.evaluate(
        "() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])"
    )
    assert "tl:/auth/:gen" in stored
    for place in [stored, *profile.urls, *profile.console]:
        assert not any(token in place for token in tokens)
        assert "eyJ" not in place
    assert len(tokens) == 2


def test_another_site_never_gets_the_bearer(profile):
    tab = profile.signed_in()
    url = f"{profile.server.foreign}/api/echo/"
    for method in ("GET", "POST"):
        script = f"return (await auth.fetch('{url}', {{ method: '{method}' }})).status"
        assert tab.run(script) == 401
    for entry in profile.server.requests("/api/echo/"):
        assert not entry["bearer"]
        assert not entry["csrf"]
    assert profile.server.refreshes() == 0


def test_a_base_leads_neither_the_bearer_nor_the_endpoints_astray(profile):
    tab = profile.signed_in()
    foreign = profile.server.foreign
    tab.run(
        """
        const base = document.createElement('base');
        base.href = argument;
        document.head.append(base);
        await new Promise((loaded) => {
          const script = document.createElement('script');
          script.src = `${location.origin}/node_modules/axios/dist/axios.min.js`;
          script.onload = loaded;
          document.head.append(script);
        });
        const instance = axios.create({ baseURL: '/api/' });
        auth.axios(instance);
        await instance.get('echo/').catch(() => {});
        await auth.fetch('/api/echo/').catch(() => {});
        await auth.refresh();
        """,
        f"{foreign}/",
    )
    echoes = profile.server.requests("/api/echo/")
    assert [entry["host"] for entry in echoes] == [foreign.partition("//")[2]] * 2
    assert not any(entry["bearer"] or entry["csrf"] for entry in echoes)
    (refresh,) = profile.server.requests("/auth/refresh/")
    assert refresh["host"] == profile.server.origin.partition("//")[2]


def test_an_api_on_another_origin_is_signed_in_when_named(profile):
    server = profile.server
    api = server.api
    tab = profile.signed_in(refreshUrl=f"{api}/auth/refresh/", origins=[api], hintCookie="tl_hint")
    server.stage("expire")
    script = f"""
      const answer = await auth.fetch('{api}/api/echo/', {{
        method: 'POST',
        headers: {{ 'Content-Type': 'application/json' }},
        body: '{{"a": "1"}}',
      }});
      return answer.json();
    """
    assert tab.run(script) == {"fields": {"a": "1"}, "files": {}}
    (refresh,) = server.requests("/auth/refresh/")
    assert refresh["host"] == api.removeprefix("http://")
    assert tab.run(ECHO) == 401, "the page's own origin was not named"
    tab.run("await auth.logout({ everywhere: true })")
    for path in ("/auth/logout-all/", "/auth/logout/"):
        (entry,) = server.requests(path)
        assert entry["host"] == api.removeprefix("http://")
    assert not server.stage("sessions")[0]["live"]


def test_signing_in_needs_the_csrf_token_and_gets_it(profile):
    tab = profile.tab()
    profile.sign_in(tab)
    assert profile.cookie("csrftoken")
    refused = tab.run(
        "return (await fetch('/auth/refresh/', { method: 'POST', body: '{}', "
        "headers: { 'Content-Type': 'application/json' } })).status"
    )
    assert refused == 403


def test_wrong_credentials_are_told_and_cost_no_refresh(profile):
    tab = profile.signed_in()
    answer = tab.run(
        """
        const answer = await auth.fetch('/auth/obtain/', {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ username: 'anna', password: 'guess' }),
        });
        return [answer.status, (await answer.json()).code];
        """
    )
    assert answer == [401, "invalid_credentials"]
    assert profile.server.refreshes() == 0


# --- Cookies ------------------------------------------------------------------------------------


def assert_cookies_are_kept_well(profile, name):
    """The refresh cookie goes to the refresh endpoints alone, and no script can read it."""
    tab = profile.signed_in()
    cookie = profile.cookie(name)
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert cookie["path"] == "/auth/"
    assert cookie["domain"] == "localhost"
    readable = tab.page.evaluate("() => document.cookie")
    assert name not in readable
    assert "tl_hint=1" in readable
    profile.server.stage("expire")
    assert tab.run(ECHO) == 200
    tab.page.reload()
    for entry in profile.server.stage("log"):
        assert (name in entry["cookies"]) == entry["path"].startswith("/auth/"), entry
    assert len(profile.server.requests("/auth/refresh/")) == 1


def test_the_cookies_work_over_plain_http_on_a_developers_machine(profile):
    assert_cookies_are_kept_well(profile, "refresh_token")
    assert not profile.cookie("refresh_token")["secure"]


@pytest.fixture
def https_server(tmp_path):
    if not shutil.which("openssl"):
        missing("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -nodes -days 1 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(
        [*command.split(), *subject, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    certificate.write_text(key.read_text() + certificate.read_text())
    server = Server(tmp_path, certificate=certificate)
    server.start()
    server.stage("reset")
    yield server
    server.stop()


def test_the_cookies_work_over_https_with_their_prefix(chromium, https_server):
    profile = Profile(chromium.new_context(ignore_https_errors=True), https_server)
    assert_cookies_are_kept_well(profile, "__Secure-refresh_token")
    assert profile.cookie("__Secure-refresh_token")["secure"]


def test_the_template_tag_configures_the_client(profile):
    tab = profile.tab()
    tab.page.goto(f"{profile.server.origin}/configured/")
    tab.until("window.auth")
    assert tab.page.evaluate("() => options") == {
        "refreshUrl": "/auth/refresh/",
        "logoutUrl": "/auth/logout/",
        "logoutAllUrl": "/auth/logout-all/",
        "csrfUrl": "/auth/csrf/",
        "loginUrl": "/accounts/login/",
        "namespace": "tl:/auth/",
        "hintCookie": "tl_hint",
        "csrf": {"cookie": "csrftoken", "header": "X-Csrftoken"},
    }
    profile.sign_in(tab)
    profile.server.stage("expire")
    assert tab.run(ECHO) == 200
