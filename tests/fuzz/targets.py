"""What is fuzzed. Each takes bytes, lets documented errors out of the app and checks the rest.

Nothing here needs a database, or atheris: ``tests.test_fuzz`` runs them with the seeds.
"""

import hmac
import ipaddress
import json
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from types import SimpleNamespace
from uuid import UUID

from django.conf import settings
from rest_framework.exceptions import ParseError, UnsupportedMediaType

from tests.forging import decoded, forge, segment
from token_lifecycle import cookies, tokens
from token_lifecycle.api_errors import PayloadTooLarge
from token_lifecycle.authentication import bearer_token
from token_lifecycle.conf import COOKIE_DEFAULTS
from token_lifecycle.cookies import CookieAttributes, DuplicateCookie
from token_lifecycle.device import DEVICE_NAME_LENGTH, USER_AGENT_LENGTH, Device
from token_lifecycle.exceptions import TokenExpired, TokenInvalid
from token_lifecycle.keys import header_of
from token_lifecycle.parsers import StrictJSONParser
from token_lifecycle.throttling import ObtainAccountThrottle, _letters

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HEADER = b'{"alg":"HS256","typ":"JWT"}'
CLAIMS = {
    "token_type": "session_refresh",
    "exp": 4_000_000_000,
    "iat": 1_700_000_000,
    "jti": "0123456789",
    "sid": "0197d0a0-5f6e-7cc3-8a3b-0123456789ab",
    "gen": 1,
    "sec": "AAAAAAAAAAAAAAAAAAAAAA",
    "auth_time": 1_700_000_000,
    "user_id": "1",
}
#: Between the parts of what a target takes.
GAP = b"\xff\xfe"
ATTRIBUTES = CookieAttributes.from_settings(COOKIE_DEFAULTS, mount="/browser/")


def codec(data):
    """A token by its letters, or header and claims that are then signed with the real key."""
    header, gap, payload = data.partition(GAP)
    text = forge(payload, header=header) if gap else data.decode(errors="surrogateescape")
    header_of(text.partition(".")[0])
    with suppress(TokenExpired, TokenInvalid):
        _check_access(text, tokens.parse_access(text))
    with suppress(TokenInvalid):
        _check_refresh(text, tokens.parse_refresh(text, now=NOW))


def _check_access(text, access):
    claims = _check_signature(text)
    assert claims["token_type"] == "access"
    assert type(claims["auth_time"]) is int
    _check_common(claims, access)


def _check_refresh(text, refresh):
    claims = _check_signature(text)
    assert claims["token_type"] == "session_refresh"
    assert refresh.generation == claims["gen"]
    assert type(claims["gen"]) is int
    assert 1 <= refresh.generation < 2**31 - 1
    assert refresh.secret == claims["sec"]
    assert len(refresh.secret) == 22
    assert refresh.secret.isascii()
    _check_common(claims, refresh)


def _check_signature(text):
    """The claims of a token that really is signed; read in another way than the app does."""
    signed, _, signature = text.rpartition(".")
    header, payload = map(decoded, signed.split("."))
    mac = hmac.digest(settings.SECRET_KEY.encode(), signed.encode(), "sha256")
    assert mac == decoded(signature)
    fields = json.loads(header.decode())
    assert fields["alg"] == "HS256"
    assert fields.keys() <= {"alg", "typ", "kid"}
    return json.loads(payload.decode())


def _check_common(claims, read):
    assert read.session_id == UUID(claims["sid"])
    assert str(read.session_id) == claims["sid"]
    assert read.user_id == claims["user_id"]
    assert 0 < len(read.user_id) <= 255
    assert "\0" not in read.user_id
    read.user_id.encode()  # no surrogates
    assert int(read.expires_at.timestamp()) == claims["exp"]
    assert type(claims["exp"]) is int
    assert type(claims["iat"]) is int


def request_headers(data):
    """Authorization, Cookie, User-Agent and X-Forwarded-For, as a server hands them over."""
    parts = [part.decode("latin-1") for part in data.split(GAP)] + [""] * 4
    names = ("HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_USER_AGENT", "HTTP_X_FORWARDED_FOR")
    request = SimpleNamespace(META=dict(zip(names, parts, strict=False)))
    token = bearer_token(request)
    assert token is None or parts[0].strip().lower().startswith("bearer")
    try:
        cookie = cookies.the_one(cookies.read_refresh(request, attributes=ATTRIBUTES))
    except DuplicateCookie:
        assert parts[1].count(ATTRIBUTES.name) > 1
    else:
        assert cookie is None or f"{ATTRIBUTES.name}" in parts[1]
    name = data.decode(errors="surrogateescape")
    for proxies in range(3):
        _check_device(Device.from_request(request, trusted_proxies=proxies, name=name))


def _check_device(device):
    assert len(device.user_agent) <= USER_AGENT_LENGTH
    assert len(device.name) <= DEVICE_NAME_LENGTH
    for text in (device.user_agent, device.name):
        assert text.isprintable() or not any(c < " " or c == "\x7f" for c in text)
        text.encode()
    if device.ip_address is not None:
        assert str(ipaddress.ip_address(device.ip_address)) == device.ip_address


def body(data):
    """The body of a request."""
    request = SimpleNamespace(META={})
    try:
        parsed = StrictJSONParser().parse(BytesIO(data), parser_context={"request": request})
    except (ParseError, PayloadTooLarge, UnsupportedMediaType):
        return
    assert repr(parsed) == repr(json.loads(data.decode(), parse_constant=_no_json))


def _no_json(constant):
    raise AssertionError(constant)


def account(data):
    """The name that somebody signs in with, as the throttle counts it."""
    name = data.decode(errors="surrogateescape")
    letters = _letters(name)
    assert _letters(letters) == letters, "there is still another spelling"
    assert _letters(name.upper()) == _letters(name.upper().lower())
    assert len(ObtainAccountThrottle().cache_key(letters)) < 200


def uuid(data):
    """The id of a session in an address."""
    text = data.decode(errors="surrogateescape")
    found = tokens.canonical_uuid(text)
    assert found is None or str(found) == text


def _claims(**changes):
    return json.dumps({**CLAIMS, **changes}, separators=(",", ":")).encode()


SEEDS = {
    codec: [
        HEADER + GAP + _claims(),
        HEADER + GAP + _claims(token_type="access"),
        HEADER + GAP + _claims(nbf=1, iss="x", aud=["y"]),
        b'{"alg":"HS256","kid":"a","crit":["x"]}' + GAP + _claims(gen=2**31),
        forge(CLAIMS).encode(),
        f"{segment(HEADER)}.{segment(CLAIMS)}.".encode(),
    ],
    request_headers: [
        GAP.join([b"Bearer a.b.c", f"{ATTRIBUTES.name}=x".encode(), b"curl/8", b"192.0.2.1"]),
        GAP.join([b"", f"a=b; {ATTRIBUTES.name}=x; {ATTRIBUTES.name}=y".encode()]),
        GAP.join([b"bearer", b";;=;", b"\t\x00", b"::1%eth0, [::1]:80, ::ffff:1.2.3.4"]),
    ],
    body: [b"{}", b'{"refresh": "x"}', b'{"a": [1, 2.5e3, null, true, "\\ud800"]}', b"[NaN]"],
    account: ["Müller".encode(), "ﬃ İ\u0345".encode(), b"jose@example.com"],
    uuid: [CLAIMS["sid"].encode(), f"{{{CLAIMS['sid']}}}".encode()],
}
TARGETS = {target.__name__: target for target in SEEDS}

#: What the fuzzer may put in as a whole.
WORDS = [
    *(f'"{name}":' for name in (*CLAIMS, "nbf", "iss", "aud", "alg", "typ", "kid", "crit", "b64")),
    *("true", "null", "NaN", "1e9", "-1", "1.5", "2147483648", "[]", "{}", "\\u0000", "\\ud800"),
    *("HS256", "none", "access", "session_refresh", "Bearer ", "; ", ATTRIBUTES.name, "::ffff:"),
    "%",
]
