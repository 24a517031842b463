"""What a request looks like when it is sent for the second time."""

import pytest

REFRESH = "/auth/refresh/"

BODIES = {
    "JSON": (
        "{ body: JSON.stringify({ a: '1' }), headers: { 'Content-Type': 'application/json' } }",
        {"fields": {"a": "1"}, "files": {}},
    ),
    "parameters": (
        "{ body: new URLSearchParams({ a: 'ä', b: '2' }) }",
        {"fields": {"a": "ä", "b": "2"}, "files": {}},
    ),
    "an upload": (
        "{ body: form() }",
        {"fields": {"title": "Ün"}, "files": {"file": "content " * 10_000}},
    ),
}

FORM = """
  const form = () => {
    const data = new FormData();
    data.set('title', 'Ün');
    data.set('file', new Blob(['content '.repeat(10000)]), 'note.txt');
    return data;
  };
"""


@pytest.fixture
def tab(profile):
    """A tab that is signed in with a token that the server has stopped to honour."""
    tab = profile.signed_in()
    profile.server.stage("expire")
    return tab


def twice(server):
    """Whether the request was refused, and sent again after one refresh."""
    statuses = [entry["status"] for entry in server.requests("/api/echo/")]
    return statuses == [401, 200] and server.refreshes() == 1


@pytest.mark.parametrize("body", BODIES)
def test_a_refused_post_arrives_with_its_body(tab, server, body):
    init, echo = BODIES[body]
    answer = tab.run(
        f"""{FORM}
        const answer = await auth.fetch('/api/echo/', {{ method: 'POST', ...{init} }});
        return answer.json();
        """
    )
    assert answer == echo
    assert twice(server)


def test_a_refused_request_object_arrives_with_its_body(tab, server):
    answer = tab.run(
        f"""{FORM}
        const request = new Request('/api/echo/', {{ method: 'PUT', body: form() }});
        return (await auth.fetch(request)).json();
        """
    )
    assert answer == BODIES["an upload"][1]
    assert twice(server)


def test_giving_up_one_request_leaves_the_others(tab, server):
    server.stage("fault", path=REFRESH, faults=["hold"])
    tab.start(
        """
        window.controller = new AbortController();
        const requests = [controller.signal, undefined, undefined].map((signal) =>
          auth.fetch('/api/echo/', { signal }).then(({ status }) => status, ({ name }) => name));
        window.given = requests[0];
        return Promise.all(requests);
        """
    )
    server.until(lambda: server.refreshes() == 1, "the refresh")
    assert tab.run("controller.abort(); return given") == "AbortError"
    server.stage("release")
    assert tab.finish() == ["AbortError", 200, 200]
    assert server.refreshes() == 1


# --- The real axios -----------------------------------------------------------------------------

AXIOS = f"""
  const {{ default: axios }} = await import('/node_modules/axios/dist/esm/axios.min.js');
  const client = axios.create({{ baseURL: '/api/', adapter: ADAPTER }});
  const eject = auth.axios(client);
  {FORM}
"""


@pytest.fixture(params=["xhr", "fetch"])
def axios(request):
    """The lines before a script that uses axios with one of its two adapters."""
    return AXIOS.replace("ADAPTER", f"'{request.param}'")


def test_axios_replays_a_get(axios, tab, server):
    answer = tab.run(
        f"{axios} return (await client.get('echo/', {{ params: {{ q: 'a b' }} }})).data"
    )
    assert answer == {"user": "anna", "query": {"q": "a b"}}
    assert twice(server)


@pytest.mark.parametrize(
    ("data", "echo"),
    [
        ("{ a: '1' }", BODIES["JSON"][1]),
        ("new URLSearchParams({ a: 'ä', b: '2' })", BODIES["parameters"][1]),
        ("form()", BODIES["an upload"][1]),
    ],
    ids=["JSON", "parameters", "an upload"],
)
def test_axios_replays_a_post(axios, tab, server, data, echo):
    assert tab.run(f"{axios} return (await client.post('echo/', {data})).data") == echo
    assert twice(server)


def test_axios_shares_one_refresh_between_ten_requests(axios, tab, server):
    answer = tab.run(
        f"""{axios}
        const answers = await Promise.all(Array.from({{ length: 10 }}, () => client.get('echo/')));
        return answers.map(({{ status }}) => status);
        """
    )
    assert answer == [200] * 10
    assert server.refreshes() == 1


def test_axios_gives_a_second_refusal_to_the_caller(axios, tab, server):
    answer = tab.run(
        f"""{axios}
        return client.get('grumpy/').catch(({{ response }}) => [response.status, response.data]);
        """
    )
    assert answer[0] == 401
    assert answer[1]["detail"] == "The moon is in the wrong phase."
    assert server.refreshes() == 1


def test_axios_without_the_adapter_is_as_it_was(axios, tab, server):
    answer = tab.run(
        f"{axios} eject(); return client.get('echo/').catch(({{ response }}) => response.status)"
    )
    assert answer == 401
    assert not server.requests("/api/echo/")[0]["bearer"]
    assert server.refreshes() == 0


def test_openapi_fetch_replays_a_post(tab, server):
    answer = tab.run(
        """
        const { default: createClient } = await import(argument);
        const client = createClient({ baseUrl: '' });
        client.use(auth.middleware);
        return (await client.POST('/api/echo/', { body: { a: '1' } })).data;
        """,
        "/node_modules/openapi-fetch/dist/index.mjs",
    )
    assert answer == BODIES["JSON"][1]
    assert twice(server)


# --- The object ---------------------------------------------------------------------------------


def test_get_token_serves_what_cannot_go_through_fetch(tab, server):
    long_enough = "return JSON.parse(atob((await auth.getToken(argument)).split('.')[1])).exp"
    first = tab.run(long_enough, 30)
    assert server.refreshes() == 0
    assert tab.run("return auth.claims.exp") == first
    assert tab.run(long_enough, 16 * 60) >= first
    assert server.refreshes() == 1


def test_a_disposed_client_hears_and_does_nothing_more(profile):
    first, second = profile.signed_in(tabs=2)
    for tab in (first, second):
        tab.page.evaluate("() => { window.stay = true }")
    first.run("auth.dispose()")
    second.run("await auth.logout()")
    # What it could have heard has been delivered when an answer to a later message has.
    first.run(
        """
        const echo = new BroadcastChannel('echo');
        const heard = new Promise((resolve) => { echo.onmessage = resolve; });
        setTimeout(() => new BroadcastChannel('echo').postMessage(1));
        await heard;
        """
    )
    assert first.left == []
    assert first.events == ["login"]
