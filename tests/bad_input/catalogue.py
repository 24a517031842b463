"""The whole catalogue as attempts: each with its name, at every door that it concerns."""

import json

from tests.answers import INVALID
from tests.bad_input.doors import DOORS, Attempt
from tests.bad_input.forgeries import ACCESS_FORGERIES, FORGERIES, REFRESH_FORGERIES, WRONG_USER
from tests.bad_input.requests import BODIES, CONTENT_TYPES, COOKIES, CREDENTIALS, SESSION_IDS
from tests.browsing import COOKIE
from tests.naughty import STRINGS, as_header, as_segment
from token_lifecycle.testing import PASSWORD

REFUSED = frozenset({400, 401})
#: What answers to an id or a page number that is none.
NOT_FOUND = frozenset({302, 400, 404, 405})
POSTS = [f"{side} {name}" for side in ("api", "browser") for name in ("obtain", "refresh")]
POSTS += [f"{side} {name}" for side in ("api", "browser") for name in ("logout", "logout-all")]
BEARERS = [name for name, door in DOORS.items() if door.bearer]
BY_ID = [name for name, door in DOORS.items() if "{id}" in door.path]
LISTS = ["api sessions", "browser sessions"]
LISTS += [name for name, door in DOORS.items() if door.side == "page" and door.method == "GET"]

HEADERS = ("USER_AGENT", "X_FORWARDED_FOR", "ACCEPT", "ACCEPT_LANGUAGE", "REFERER", "X_REQUEST_ID")
#: Of the admin's lists, of the page of devices and of the API's list.
PARAMETERS = ("q", "p", "o", "page", "page_size", "before", "status", "user__id__exact", "next")
FORM = "application/x-www-form-urlencoded"
#: Of the list's actions, and of the page that asks for a phrase.
FORM_FIELDS = ("action", "_selected_action", "select_across", "index", "phrase", "post", "next")
ASKING = ("POST /admin/token_lifecycle/session/end-everybody/",)
SHOWN = frozenset({200, 302, 400})


def as_json(value):
    return json.dumps(value).encode()


def forged(stage):
    """Tokens, at the doors for refresh tokens and for access tokens."""
    for name, make in (FORGERIES | REFRESH_FORGERIES).items():
        issued, others = stage.issued, stage.others
        token = issued.access if make is None else make(issued.refresh, others.refresh)
        for door, status in (("refresh", 401), ("logout", 204)):
            if name in WRONG_USER and status == 204:
                continue  # whoever holds the secret may end the session
            common = {"secrets": (token,), "statuses": frozenset({status})}
            body = as_json({"refresh": token})
            yield f"{name}, body", Attempt(door=f"api {door}", body=body, **common)
            cookie = {"HTTP_COOKIE": f"{COOKIE}={as_header(token)}"}
            yield f"{name}, cookie", Attempt(door=f"browser {door}", headers=cookie, **common)
    for name, make in (FORGERIES | ACCESS_FORGERIES).items():
        issued, others = stage.issued, stage.others
        token = issued.refresh if make is None else make(issued.access, others.access)
        yield from as_bearer(name, f"Bearer {as_header(token)}", token)


def as_bearer(name, credentials, secret):
    headers = {"HTTP_AUTHORIZATION": credentials}
    for door in BEARERS:
        attempt = Attempt(door=door, headers=headers, secrets=(secret,), statuses=frozenset({401}))
        yield f"{name}, bearer", attempt


def bodies(stage):
    """Bodies that are no JSON object, or are not said to be one."""
    for name, (body, status) in BODIES.items():
        for door in POSTS:
            yield name, Attempt(door=door, body=body, statuses=frozenset({status}))
    for content_type in CONTENT_TYPES:
        for door in POSTS:
            if content_type or door.startswith("api"):
                yield (
                    f"type {content_type!a}",
                    Attempt(door=door, body=b"{}", content_type=content_type, statuses={415}),
                )
    for door in POSTS:
        packed = {"HTTP_CONTENT_ENCODING": "gzip"}
        yield "gzip", Attempt(door=door, body=b"\x1f\x8b", headers=packed, statuses={415})


def credentials(stage):
    """Authorization headers that are none, and cookies that are none."""
    for text in CREDENTIALS:
        secret = "" if text in INVALID else text
        yield from as_bearer(f"{text[:20]!a}", text, secret)
    for text in COOKIES:
        headers = {"HTTP_COOKIE": text}
        yield f"{text[:20]!a}", Attempt(door="browser refresh", headers=headers, statuses={401})


def ids(stage):
    """Ids in addresses that name nothing."""
    # A slash makes it another address, and nothing makes it that of the list.
    routed = [text for text in STRINGS.values() if text and "/" not in text]
    for text in (*SESSION_IDS, *map(as_segment, routed)):
        for door in BY_ID:
            statuses = NOT_FOUND if DOORS[door].side == "page" else {404}
            if DOORS[door].method == "POST" or "end-all-of" in door:
                statuses |= {200}
            yield f"id {text[:20]!a}", Attempt(door=door, id=text, statuses=statuses)


def naughty(stage):
    """Each text in every place of every endpoint that reads one."""
    for name, text in STRINGS.items():
        good = {"username": "nobody", "password": PASSWORD}
        for field in ("username", "password", "device_name"):
            for side in ("api", "browser"):
                body = as_json({**good, field: text})
                yield (
                    f"{field} {name}",
                    Attempt(door=f"{side} obtain", body=body, secrets=(text,), statuses=REFUSED),
                )
        token = as_json({"refresh": text})
        cookie = {"HTTP_COOKIE": f"{COOKIE}={as_header(text)}"}
        yield f"token {name}", Attempt(door="api refresh", body=token, statuses=REFUSED)
        yield f"token {name}", Attempt(door="api logout", body=token, statuses={204, 400})
        yield f"cookie {name}", Attempt(door="browser refresh", headers=cookie, statuses={401})
        yield f"cookie {name}", Attempt(door="browser logout", headers=cookie, statuses={204, 401})
        yield from as_bearer(name, f"Bearer {as_header(text)}", text)
        yield (
            f"keep {name}",
            Attempt(door="api logout-all", body=as_json({"keep_current": text}), succeeds=True),
        )


def headers(stage):
    """Each text in every header that somebody may read, at every door."""
    body = as_json({"username": "nobody", "password": "no"})
    for name, text in STRINGS.items():
        given = {f"HTTP_{header}": as_header(text) for header in HEADERS}
        for door in ("api obtain", *LISTS, *BY_ID):
            yield f"headers {name}", Attempt(door=door, body=body, headers=given)


def queries(stage):
    """Each text as every parameter of an address."""
    for name, text in STRINGS.items():
        value = as_segment(text[:5000])
        query = "?" + "&".join(f"{parameter}={value}" for parameter in PARAMETERS)
        for door in LISTS:
            yield f"all parameters {name}", Attempt(door=door, query=query)
        for parameter in PARAMETERS:
            for door in ("api sessions", "GET /devices/", "GET /admin/token_lifecycle/session/"):
                query = f"?{parameter}={value}"
                yield f"{parameter} {name}", Attempt(door=door, query=query)


def forms(stage):
    """Each text in every field of a form of the admin; nothing is confirmed of a real session."""
    for name, text in STRINGS.items():
        value = as_segment(text)
        everywhere = "&".join(f"{field}={value}" for field in FORM_FIELDS)
        chosen = f"action=end_selected&_selected_action={value}&confirmed=yes"
        for form in (everywhere, chosen):
            for door in ("POST /admin/token_lifecycle/session/", *ASKING):
                yield (
                    f"form {name}",
                    Attempt(door=door, body=form.encode(), content_type=FORM, statuses=SHOWN),
                )


SECTIONS = (forged, bodies, credentials, ids, naughty, headers, queries, forms)


def catalogue(stage):
    for section in SECTIONS:
        yield from section(stage)
