"""Made-up attempts: bodies, headers, cookies, addresses and correctly signed tokens of any kind."""

import json
import os

from django.core.exceptions import BadRequest
from django.http import HttpRequest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.bad_input.doors import DOORS, Attempt
from tests.browsing import COOKIE
from tests.forging import HEADER, claims_of, forge
from tests.naughty import STRINGS, as_header, as_segment

#: In CI always the same attempts; elsewhere new ones each time. ``ATTEMPTS`` asks for more of them.
PROFILE = settings(
    max_examples=int(os.environ.get("ATTEMPTS", "150")),
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=list(HealthCheck),
)

FIELDS = ("username", "password", "device_name", "refresh", "keep_current", "user", "expires_at")
CLAIMS = ("token_type", "exp", "iat", "nbf", "jti", "sid", "gen", "sec", "auth_time", "user_id")
FOREIGN_CLAIMS = ("iss", "aud", "scope", "azp", "cnf", "__proto__", "")
FIELDS_OF_HEADERS = ("alg", "typ", "kid", "crit", "jku", "jwk", "x5c", "zip", "cty", "b64")
#: Of a door that only a token opens.
METHODS_WITH_BODY = ("POST", "DELETE")

#: Nobody could read a failure with the others in it.
short_strings = [text for text in STRINGS.values() if len(text) < 600]
#: Surrogates included, which JSON can spell.
any_text = st.text(st.characters(), max_size=60) | st.sampled_from(short_strings)
edges = st.sampled_from([0, -1, 1, 2**31 - 2, 2**31 - 1, 2**31, 2**53, 2**63, 10**30, -(10**18)])
#: About now, where most would be in order.
seconds = st.integers(1_700_000_000, 2_000_000_000)
plain = st.none() | st.booleans() | st.integers() | edges | seconds | any_text
scalars = plain | st.floats()  # NaN and Infinity too, which json.dumps writes and nobody may read
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def objects(draw, names, values=json_values):
    """JSON text of an object with some of these members, some others, and some of them twice."""
    members = draw(st.lists(st.tuples(names | any_text, values), max_size=6))
    return "{" + ",".join(f"{json.dumps(n)}:{json.dumps(v)}" for n, v in members) + "}"


depths = st.integers(1, 3000)
nested = st.builds(
    lambda depth, opening: opening * depth + "1" + {"[": "]", '{"a":': "}"}[opening] * depth,
    depths,
    st.sampled_from(["[", '{"a":']),
)
bodies = st.one_of(
    st.binary(max_size=200),
    objects(st.sampled_from(FIELDS)).map(str.encode),
    json_values.map(json.dumps).map(str.encode),
    nested.map(str.encode),
    st.builds(
        lambda field, text: f'{{"{field}":{text}}}'.encode(), st.sampled_from(FIELDS), nested
    ),
)

in_headers = st.text(st.characters(max_codepoint=255), max_size=80) | any_text.map(as_header)
HEADERS = (
    "HTTP_USER_AGENT",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_CONTENT_ENCODING",
    "HTTP_COOKIE",
    "HTTP_ORIGIN",
    "HTTP_REFERER",
    "HTTP_X_CSRFTOKEN",
    "HTTP_X_HTTP_METHOD_OVERRIDE",
    "HTTP_RANGE",
    "HTTP_IF_NONE_MATCH",
    "CONTENT_LENGTH",
    "REMOTE_ADDR",
)
headers = st.dictionaries(st.sampled_from(HEADERS), in_headers, max_size=4)


def gets_past_django(content_type):
    """Whether Django makes a request of it; no view of anybody's sees the others."""
    try:
        HttpRequest()._set_content_type_params({"CONTENT_TYPE": content_type})
    except (BadRequest, ValueError):
        return False
    return True


usual_types = st.sampled_from(["application/json"] * 4 + ["text/plain", ""])
content_types = usual_types | in_headers.filter(gets_past_django)
queries = st.just("") | st.builds(
    lambda name, text: f"?{name}={as_segment(text)}",
    st.sampled_from(["page", "page_size", "before", "q", "o", "status", "format"])
    | any_text.map(as_segment),
    any_text,
)
ids = any_text.filter(lambda text: "/" not in text and text.strip(".")).map(as_segment)


@st.composite
def requests(draw, doors):
    """Something at one of these doors, without any token of ours but the bearer it asks for."""
    name = draw(st.sampled_from(doors))
    door = DOORS[name]
    has_body = door.method in METHODS_WITH_BODY
    return Attempt(
        door=name,
        body=draw(bodies) if has_body else b"",
        content_type=draw(content_types),
        headers=draw(headers),
        id=draw(ids) if "{id}" in door.path else "",
        query=draw(queries),
        # A body may be in order: to end one's own sessions takes no more than "{}".
        succeeds=name.endswith("logout-all"),
    )


def at_endpoints():
    return requests([name for name, door in DOORS.items() if door.side != "page"])


def at_pages():
    """Looking only: a form sent to a page is what the admin's own tests are about."""
    return requests(
        [name for name, door in DOORS.items() if door.side == "page" and door.method == "GET"]
    )


@st.composite
def signed(draw, token):
    """``token`` with other claims or another header, or both, signed with the real key."""
    claims = claims_of(token)
    names = st.sampled_from([*CLAIMS, *FOREIGN_CLAIMS]) | any_text
    changes = draw(st.lists(st.tuples(names, json_values), max_size=3))
    for name in draw(st.sets(st.sampled_from(CLAIMS), max_size=2)):
        claims.pop(name, None)
    # Written out, so that one member may come twice.
    members = [*claims.items(), *changes]
    payload = "{" + ",".join(f"{json.dumps(n)}:{json.dumps(v)}" for n, v in members) + "}"
    header = draw(
        st.just(HEADER)
        | st.dictionaries(st.sampled_from(FIELDS_OF_HEADERS), json_values, max_size=3).map(
            lambda more: {**HEADER, **more}
        )
    )
    return forge(draw(st.just(payload) | nested | st.binary(max_size=60)), header=header)


@st.composite
def mangled(draw, token):
    """``token`` with a piece of it cut out, doubled, replaced or put in."""
    start = draw(st.integers(0, len(token)))
    end = draw(st.integers(start, min(len(token), start + 20)))
    return token[:start] + draw(any_text | st.just(token[start:end] * 2)) + token[end:]


#: What must be as it was for a token to be good, by the door that it is presented at.
KEPT = {
    "refresh": ("token_type", "sid", "sec", "user_id"),
    "logout": ("token_type", "sid", "sec"),
    "access": ("token_type", "sid", "user_id"),
}


def may_be_good(made, token, door):
    """Whether a token still says what the real one says, in what counts at this door."""
    try:
        now, before = claims_of(made), claims_of(token)
        return all(now[name] == before[name] for name in KEPT[door])
    except (ValueError, IndexError, KeyError, TypeError, RecursionError):
        return False


@st.composite
def tokens(draw, stage):
    """A token made of a real one, at a door for its kind or for the other."""
    token = draw(st.sampled_from([stage.issued.refresh, stage.issued.access]))
    made = draw(signed(token) | mangled(token) | any_text)
    name = draw(
        st.sampled_from(
            ["api refresh", "api logout", "browser refresh", "browser logout", "view", "api end"]
        )
    )
    bearer = DOORS[name].bearer
    kind = "access" if bearer else name.partition(" ")[2]
    right = stage.issued.access if bearer else stage.issued.refresh
    good = may_be_good(made, right, kind)
    refused = {204, 400, 401} if kind == "logout" else {400, 401}
    attempt = {"door": name, "secrets": (made,), "succeeds": good}
    attempt["statuses"] = frozenset() if good else frozenset(refused)
    if bearer:
        return Attempt(headers={"HTTP_AUTHORIZATION": f"Bearer {as_header(made)}"}, **attempt)
    if name.startswith("browser"):
        return Attempt(headers={"HTTP_COOKIE": f"{COOKIE}={as_header(made)}"}, **attempt)
    return Attempt(body=json.dumps({"refresh": made}).encode(), **attempt)
