"""What the system checks say about keys."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.core.checks import run_checks
from django.test import override_settings

from tests.test_keys import PAIRS, SECRETS, pair, pem, secret
from token_lifecycle.checks import keys as key_checks

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OTHER = {"SECRET_KEY": "another-key-0123456789abcdef0123456789abcdef"}


def reported(*entries, simple=None, deploy=False, **settings):
    ours = {"SIGNING_KEYS": list(entries) or None, **settings}
    with override_settings(**OTHER, TOKEN_LIFECYCLE=ours, SIMPLE_JWT=simple or {}):
        checks = [
            key_checks.check_signing_key,
            key_checks.check_single_key,
            key_checks.check_fetched_keys,
            key_checks.check_key_ring,
            key_checks.check_key_ages,
            *([key_checks.check_shared_keys] if deploy else []),
        ]
        messages = [message for check in checks for message in check()]
    for message in messages:
        assert not any(key in message.msg for key in SECRETS)
        assert "PRIVATE" not in message.msg
    return [message.id.removeprefix("token_lifecycle.") for message in messages]


def test_a_good_ring_is_not_reported():
    assert reported(*(pair(name, name) for name in PAIRS), secret("old", SECRETS[0])) == []


def test_a_key_that_only_verifies_is_good_behind_the_first():
    retired = pair("old", "RS256")
    del retired["SIGNING_KEY"]
    assert reported(secret("new", SECRETS[0]), retired) == []
    assert reported(retired) == ["E041"]


def without(entry, name):
    return {key: value for key, value in entry.items() if key != name}


OTHERS = {
    "RS256": pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "ES256": pem(ec.generate_private_key(ec.SECP256R1())),
}

BAD = {
    "no name": without(secret("x", SECRETS[0]), "KID"),
    "an empty name": secret("", SECRETS[0]),
    "a name that is a number": secret(1, SECRETS[0]),
    "a very long name": secret("x" * 65, SECRETS[0]),
    "a name with a line break": secret("a\nb", SECRETS[0]),
    "an unknown field": secret("x", SECRETS[0], KEY="y"),
    "an algorithm that is none": {**secret("x", SECRETS[0]), "ALGORITHM": "none"},
    "an unknown algorithm": {**secret("x", SECRETS[0]), "ALGORITHM": "HS1"},
    "no algorithm": without(secret("x", SECRETS[0]), "ALGORITHM"),
    "no key at all": {"KID": "x", "ALGORITHM": "HS256", "VERIFYING_KEY": SECRETS[0]},
    "a pair without its public half": without(pair("x", "EdDSA"), "VERIFYING_KEY"),
    "a key of another kind": {**pair("x", "RS256"), "ALGORITHM": "ES256"},
    "text that is no key": {**pair("x", "RS256"), "SIGNING_KEY": "-----BEGIN"},
    "a pair of two keys": {**pair("x", "RS256"), "VERIFYING_KEY": OTHERS["RS256"][1]},
    "a curve's pair of two keys": {**pair("x", "ES256"), "VERIFYING_KEY": OTHERS["ES256"][1]},
    "a public key that should sign": {**pair("x", "EdDSA"), "SIGNING_KEY": PAIRS["EdDSA"][1]},
    "the wrong way round": dict(
        pair("x", "ES256"), SIGNING_KEY=PAIRS["ES256"][1], VERIFYING_KEY=PAIRS["ES256"][0]
    ),
    "a private key for everybody": {**pair("x", "RS256"), "VERIFYING_KEY": PAIRS["RS256"][0]},
    "nothing but a private key for everybody": without(
        pair("x", "EdDSA", VERIFYING_KEY=PAIRS["EdDSA"][0]), "SIGNING_KEY"
    ),
    "a key pair as a secret": {**pair("x", "RS256"), "ALGORITHM": "HS256"},
    "a moment without a time zone": secret("x", SECRETS[0], NOT_AFTER=datetime(2040, 1, 1)),
    "a moment that is a text": secret("x", SECRETS[0], NOT_AFTER="2040-01-01"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_ring_that_cannot_be_used_is_reported(case):
    found = reported(secret("first", SECRETS[1]), BAD[case])
    assert found
    assert set(found) == {"E041"}


def test_the_same_name_or_the_same_key_twice_is_reported():
    assert reported(secret("x", SECRETS[0]), secret("x", SECRETS[1])) == ["E041"]
    assert reported(secret("x", SECRETS[0]), secret("y", SECRETS[0])) == ["E041"]


@pytest.mark.parametrize(
    "key",
    ["short", "a" * 64, "django-insecure-" + SECRETS[0], "your-256-bit-secret" + SECRETS[0]],
)
def test_a_weak_secret_is_reported_wherever_it_stands(key):
    assert reported(secret("x", key)) == ["E040"]
    assert reported(secret("good", SECRETS[0]), secret("x", key)) == ["E040"]


def test_the_key_that_startproject_makes_will_do_until_the_project_is_served_to_others(settings):
    key = "django-insecure-" + SECRETS[0]
    settings.DEBUG = True
    assert reported(secret("x", key)) == []
    assert reported(secret("x", "django-insecure-")) == ["E040"]
    settings.DEBUG = False
    assert reported(secret("x", key)) == ["E040"]


def test_a_short_rsa_key_is_reported():
    private, public = pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))
    entry = {**pair("x", "RS256"), "SIGNING_KEY": private, "VERIFYING_KEY": public}
    assert "E040" in reported(entry)


def test_a_key_past_its_time_is_reported(time_machine):
    time_machine.move_to(NOW, tick=False)
    over = secret("old", SECRETS[0], NOT_AFTER=NOW)
    soon = secret("old", SECRETS[0], NOT_AFTER=NOW + timedelta(seconds=1))
    good = secret("new", SECRETS[1])
    assert reported(over) == ["E042"]
    assert reported(good, over) == ["W042"]
    assert reported(good, soon) == []


@pytest.mark.parametrize("name", ["SIGNING_KEY", "VERIFYING_KEY", "ALGORITHM"])
def test_keys_of_simplejwt_that_do_nothing_beside_a_ring_are_reported(name):
    assert reported(secret("x", SECRETS[0]), simple={name: "HS256"}) == ["W041"]


PRIVATE, PUBLIC = PAIRS["RS256"]
GOOD_PAIR = {"ALGORITHM": "RS256", "SIGNING_KEY": PRIVATE, "VERIFYING_KEY": PUBLIC}
UNUSABLE = {
    "a pair without its public half": without(GOOD_PAIR, "VERIFYING_KEY"),
    "a pair with an empty public half": {**GOOD_PAIR, "VERIFYING_KEY": ""},
    "a pair without its private half": {**GOOD_PAIR, "SIGNING_KEY": ""},
    "a secret for an algorithm of pairs": {"ALGORITHM": "RS256"},
    "text that is no key": {**GOOD_PAIR, "SIGNING_KEY": "-----BEGIN"},
    "a pair for the algorithm of secrets": {"SIGNING_KEY": PRIVATE},
    "an unknown algorithm": {"ALGORITHM": "HS1"},
    "an algorithm that is none": {"ALGORITHM": "none"},
    "an algorithm that is no text": {"ALGORITHM": ["RS256"]},
    "a pair of two keys": {**GOOD_PAIR, "VERIFYING_KEY": OTHERS["RS256"][1]},
    "a public key that should sign": {**GOOD_PAIR, "SIGNING_KEY": PUBLIC},
    "a private key for everybody": {**GOOD_PAIR, "VERIFYING_KEY": PRIVATE},
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_single_key_that_cannot_be_used_is_reported(case):
    found = reported(simple=UNUSABLE[case])
    assert found
    assert set(found) == {"E044"}


@pytest.mark.parametrize("algorithm", PAIRS)
def test_a_single_pair_that_fits_is_not_reported(algorithm):
    private, public = PAIRS[algorithm]
    keys = {"SIGNING_KEY": private, "VERIFYING_KEY": public}
    assert reported(simple={"ALGORITHM": algorithm, **keys}) == []


def test_keys_that_are_to_be_fetched_are_reported():
    fetched = {"JWK_URL": "https://keys.example/jwks.json"}
    assert reported(simple=fetched) == ["E045"]
    assert reported(secret("x", SECRETS[0]), simple=fetched) == ["E045"]
    assert reported(simple={"JWK_URL": None}) == []


def test_a_key_that_signs_what_lives_longer_than_itself_is_reported(time_machine):
    time_machine.move_to(NOW, tick=False)

    def ending(**life):
        return secret("new", SECRETS[1], NOT_AFTER=NOW + timedelta(**life))

    assert reported(ending(days=14)) == []
    assert reported(ending(days=14, seconds=-1)) == ["W046"]
    assert reported(ending(days=3), IDLE_TIMEOUT=timedelta(days=2)) == []
    assert reported(ending(days=3), SESSION_LIFETIME=timedelta(days=2)) == []
    assert reported(ending(days=3), IDLE_TIMEOUT="x", SESSION_LIFETIME="x") == []
    assert reported(secret("first", SECRETS[0]), ending(days=1)) == []


def test_the_hint_about_a_weak_secret_is_a_command_that_replaces_it(settings):
    settings.SIMPLE_JWT = {"ALGORITHM": "HS384", "SIGNING_KEY": "django-insecure-" + SECRETS[0] * 2}
    (message,) = key_checks.check_signing_key()
    assert "django-insecure-" in message.hint
    assert "make_signing_key --algorithm HS384" in message.hint
    settings.SIMPLE_JWT = {"SIGNING_KEY": "short"}
    (message,) = key_checks.check_signing_key()
    assert "django-insecure-" not in message.hint


def test_a_secret_that_also_signs_everything_else_is_reported_when_it_is_deployed():
    ours = secret("x", OTHER["SECRET_KEY"])
    assert reported(ours, deploy=True) == ["W043"]
    assert reported(ours) == []
    assert reported(secret("x", SECRETS[0]), deploy=True) == []


def test_they_are_registered():
    with override_settings(TOKEN_LIFECYCLE={"SIGNING_KEYS": [{"KID": "x"}]}):
        ids = {message.id for message in run_checks(include_deployment_checks=True)}
    assert "token_lifecycle.E041" in ids
    with override_settings(TOKEN_LIFECYCLE={}):
        ids = {message.id for message in run_checks(include_deployment_checks=True)}
    assert "token_lifecycle.W043" in ids


@pytest.mark.parametrize(
    "ring",
    [None, [], (), "x", 1, [1], [None], [{}], [{"KID": []}], {"KID": "x"}, [{"ALGORITHM": {}}]],
    ids=repr,
)
def test_no_check_ever_raises(ring):
    with override_settings(TOKEN_LIFECYCLE={"SIGNING_KEYS": ring}):
        run_checks(include_deployment_checks=True)
