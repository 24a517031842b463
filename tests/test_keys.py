"""The keys that sign and verify, and how one is replaced while everybody stays signed in."""

import itertools
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.core.exceptions import ImproperlyConfigured

from tests.forging import claims_of
from token_lifecycle import lifecycle, tokens
from token_lifecycle.exceptions import TokenInvalid
from token_lifecycle.keys import FIELDS, header_of, key_ring

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRETS = [f"{name}-key-0123456789abcdef0123456789abcdef" for name in ("one", "two", "three")]

pytestmark = pytest.mark.django_db


def pem(key):
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


PAIRS = {
    "EdDSA": pem(ed25519.Ed25519PrivateKey.generate()),
    "ES256": pem(ec.generate_private_key(ec.SECP256R1())),
    "RS256": pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
}


def secret(kid, key, **more):
    return {"KID": kid, "ALGORITHM": "HS256", "SIGNING_KEY": key, **more}


def pair(kid, algorithm, **more):
    private, public = PAIRS[algorithm]
    keys = {"SIGNING_KEY": private, "VERIFYING_KEY": public}
    return {"KID": kid, "ALGORITHM": algorithm, **keys, **more}


@pytest.fixture
def ring(settings):
    """Sets the ring."""

    def configure(*entries):
        settings.TOKEN_LIFECYCLE = {"THROTTLE_RATES": None, "SIGNING_KEYS": list(entries)}

    return configure


@pytest.fixture
def sign_in_api(api, user):
    from token_lifecycle.testing import PASSWORD

    body = {"username": user.get_username(), "password": PASSWORD}
    return lambda: api.post("/auth/obtain/", body).json()


def works(api, issued):
    """Whether its access token opens a view and its refresh token is exchanged; the new pair."""
    seen = api.get("/whoami/", HTTP_AUTHORIZATION=f"Bearer {issued['access']}")
    answer = api.post("/auth/refresh/", {"refresh": issued["refresh"]})
    assert {seen.status_code, answer.status_code} in ({200}, {401})
    return answer.json() if answer.status_code == 200 else None


# The walk


def test_a_key_is_replaced_step_by_step_and_nobody_is_signed_out(api, sign_in_api, settings, ring):
    """Clients that signed in before, during and after; the old key is refused once removed."""
    settings.SIMPLE_JWT = {"SIGNING_KEY": SECRETS[0]}
    before = sign_in_api()

    # 1. The new key is published and verifies; the old one, by now in the ring, goes on signing.
    old, new = secret("old", SECRETS[0]), pair("new", "EdDSA")
    settings.SIMPLE_JWT = {}
    ring(old, new)
    during = sign_in_api()
    assert header_of(during["refresh"].partition(".")[0])["kid"] == "old"
    before = works(api, before)

    # 2. It signs.
    ring(new, old)
    after = sign_in_api()
    assert header_of(after["refresh"].partition(".")[0])["kid"] == "new"
    asleep = during  # one that does not refresh before the old key goes
    before, during, after = (works(api, each) for each in (before, during, after))
    assert all((before, during, after))

    # 3. The old key goes, once whoever still uses it has refreshed.
    ring(new)
    assert all(works(api, each) for each in (before, during, after))
    assert not works(api, asleep)


def test_in_an_emergency_the_stolen_key_goes_at_once_and_whoever_it_signed_for(
    api, sign_in_api, ring
):
    ring(secret("stolen", SECRETS[0]))
    issued = sign_in_api()
    ring(secret("fresh", SECRETS[1]))
    assert not works(api, issued)
    assert works(api, sign_in_api())


@pytest.mark.parametrize(
    ("first", "second"), [*itertools.permutations(["HS256", "EdDSA", "ES256", "RS256"], 2)]
)
def test_a_ring_may_mix_algorithms(ring, user, first, second):
    entries = [
        secret(name, SECRETS[0]) if name == "HS256" else pair(name, name)
        for name in (first, second)
    ]
    ring(entries[0])
    issued = lifecycle.start_session(user)
    ring(entries[1], entries[0])
    assert tokens.parse_access(issued.access)
    assert lifecycle.rotate(issued.refresh)


# Which key verifies


def test_a_token_that_names_a_key_is_verified_with_that_key_alone(ring, user):
    ring(secret("one", SECRETS[0]), secret("two", SECRETS[1]))
    claims = claims_of(lifecycle.start_session(user).access)
    for kid, key in itertools.product(("one", "two"), SECRETS[:2]):
        token = jwt.encode(claims, key, "HS256", headers={"kid": kid})
        if SECRETS.index(key) == ("one", "two").index(kid):
            assert tokens.parse_access(token)
        else:
            with pytest.raises(TokenInvalid):
                tokens.parse_access(token)


@pytest.mark.parametrize(
    "kid", ["three", "", "ONE", "one ", "../one", "one\0", "' OR 1=1--", "https://evil.example"]
)
def test_a_name_that_no_key_has_is_refused(ring, user, kid):
    ring(secret("one", SECRETS[0]))
    claims = claims_of(lifecycle.start_session(user).access)
    with pytest.raises(TokenInvalid):
        tokens.parse_access(jwt.encode(claims, SECRETS[0], "HS256", headers={"kid": kid}))


def test_a_public_key_never_verifies_as_a_secret(ring, user):
    """RFC 8725 §2.1: HS256, keyed with the text of the public key, under the name of the pair."""
    ring(pair("pair", "RS256"), secret("one", SECRETS[0]))
    claims = claims_of(lifecycle.start_session(user).access)
    public = PAIRS["RS256"][1]
    for headers in ({"kid": "pair"}, {"kid": "one"}, {}):
        with pytest.raises(TokenInvalid):
            tokens.parse_access(forge_hmac(claims, public.encode(), headers))


def forge_hmac(claims, key, headers):
    """As PyJWT would sign it, if it did not refuse PEM as a secret."""
    import hashlib
    import hmac
    import json

    from token_lifecycle.keys import base64url

    header = {"alg": "HS256", "typ": "JWT", **headers}
    signed = b".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    mac = hmac.digest(key, signed, hashlib.sha256)
    return (signed + b"." + base64url(mac)).decode()


def test_the_forgery_above_is_well_made(ring, user):
    ring(secret("one", SECRETS[0]))
    claims = claims_of(lifecycle.start_session(user).access)
    assert tokens.parse_access(forge_hmac(claims, SECRETS[0].encode(), {"kid": "one"}))


# The secret key of Django


def test_a_fallback_of_the_secret_key_verifies_tokens_until_it_is_taken_out(
    api, sign_in_api, settings
):
    settings.SECRET_KEY = SECRETS[0]
    issued = sign_in_api()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = SECRETS[1], [SECRETS[0]]
    refreshed = works(api, issued)
    assert refreshed
    asleep = issued
    settings.SECRET_KEY_FALLBACKS = []
    assert works(api, refreshed)
    assert not works(api, asleep)


def test_a_signing_key_of_its_own_has_no_fallbacks(settings, user):
    settings.SIMPLE_JWT = {"SIGNING_KEY": SECRETS[0]}
    issued = lifecycle.start_session(user)
    settings.SIMPLE_JWT = {"SIGNING_KEY": SECRETS[1]}
    settings.SECRET_KEY_FALLBACKS = [SECRETS[0]]
    with pytest.raises(TokenInvalid):
        tokens.parse_access(issued.access)


# Time


def test_a_key_past_its_time_verifies_nothing(ring, user, time_machine):
    time_machine.move_to(NOW, tick=False)
    old = secret("old", SECRETS[0], NOT_AFTER=NOW + timedelta(minutes=5))
    ring(old)
    issued = lifecycle.start_session(user)
    ring(secret("new", SECRETS[1]), old)
    time_machine.move_to(NOW + timedelta(minutes=5, microseconds=-1), tick=False)
    assert tokens.parse_access(issued.access)
    time_machine.move_to(NOW + timedelta(minutes=5), tick=False)
    with pytest.raises(TokenInvalid):
        tokens.parse_access(issued.access)


def test_what_nobody_would_accept_is_not_signed(ring, user, time_machine):
    time_machine.move_to(NOW, tick=False)
    ring(secret("old", SECRETS[0], NOT_AFTER=NOW))
    with pytest.raises(ImproperlyConfigured, match="NOT_AFTER"):
        lifecycle.start_session(user)


def test_the_ring_is_made_once_for_the_same_settings(ring):
    ring(pair("new", "RS256"), secret("old", SECRETS[0]))
    first = key_ring()
    ring(pair("new", "RS256"), secret("old", SECRETS[0]))
    assert key_ring() is first


def test_no_key_is_in_a_repr(ring):
    ring(*(pair(name, name) for name in PAIRS), secret("old", SECRETS[0]))
    shown = repr([key_ring(), *key_ring().keys, *(key.signer for key in key_ring().keys)])
    assert SECRETS[0] not in shown
    assert "PRIVATE" not in shown


def test_a_header_that_is_none_is_empty():
    assert dict(header_of("ey")) == dict(header_of("\ud800")) == {}


# The public halves


def test_others_verify_with_what_is_published(api, ring, user):
    ring(*(pair(name, name) for name in PAIRS), secret("secret", SECRETS[0]))
    answer = api.get("/auth/jwks/")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/jwk-set+json"
    published = jwt.PyJWKSet.from_dict(answer.json())
    assert [key.key_id for key in published.keys] == list(PAIRS)
    token = lifecycle.start_session(user).access
    key = published[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=[key.algorithm_name])["sid"]


def test_no_secret_is_published(api, ring):
    ring(*(pair(name, name) for name in PAIRS), secret("secret", SECRETS[0]))
    private = {"d", "p", "q", "dp", "dq", "qi", "k", "oth"}
    keys = api.get("/auth/jwks/").json()["keys"]
    assert not [name for key in keys for name in key if name in private]


@pytest.mark.parametrize("algorithm", PAIRS)
@pytest.mark.parametrize("in_a_ring", [True, False])
def test_of_a_private_key_that_stands_where_the_public_one_should_only_the_public_half_is_published(
    api, ring, settings, user, algorithm, in_a_ring
):
    private, _ = PAIRS[algorithm]
    if in_a_ring:
        ring(pair("x", algorithm, VERIFYING_KEY=private))
    else:
        keys = {"SIGNING_KEY": private, "VERIFYING_KEY": private}
        settings.SIMPLE_JWT = {"ALGORITHM": algorithm, **keys}
    (shown,) = api.get("/auth/jwks/").json()["keys"]
    assert shown.keys() <= {"kty", "n", "e", "crv", "x", "y", "kid", "alg", "use"}
    token = lifecycle.start_session(user).access
    assert jwt.decode(token, jwt.PyJWK.from_dict(shown), algorithms=[algorithm])["sid"]


@pytest.mark.parametrize("in_a_ring", [True, False])
def test_keys_are_never_fetched(ring, settings, user, monkeypatch, in_a_ring):
    """A server of keys that is down would be a refusal for good; and it would win over the ring."""
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda self: pytest.fail("it was asked"))
    if in_a_ring:
        ring(pair("new", "EdDSA"), secret("old", SECRETS[0]))
    settings.SIMPLE_JWT = {"JWK_URL": "https://keys.example/jwks.json"}
    issued = lifecycle.start_session(user)
    assert tokens.parse_access(issued.access)
    assert lifecycle.rotate(issued.refresh)


def test_without_key_pairs_nothing_is_published(api):
    assert api.get("/auth/jwks/").json() == {"keys": []}


def test_what_is_published_may_be_kept_for_a_while_and_what_is_refused_may_not(api):
    assert api.get("/auth/jwks/").headers["Cache-Control"] == "public, max-age=300"
    refused = api.post("/auth/jwks/", {})
    assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
    assert "no-store" in refused.headers["Cache-Control"]


def test_publishing_asks_no_database(api, ring, django_assert_num_queries):
    ring(pair("new", "EdDSA"))
    with django_assert_num_queries(0):
        api.get("/auth/jwks/")


def test_the_fields_of_a_key_are_these():
    assert FIELDS == ("KID", "ALGORITHM", "SIGNING_KEY", "VERIFYING_KEY", "NOT_AFTER")
