"""What an answer does not say, its bytes, its headers and the work behind it do not say either."""

import hmac
import re
from pathlib import Path

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher, PBKDF2PasswordHasher, make_password
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

import token_lifecycle
from tests.answers import LOGOUT, OBTAIN, REFRESH, assert_answer
from tests.browsing import COOKIE, Browser
from tests.forging import claims_of, reforged, rows
from token_lifecycle import lifecycle, tokens
from token_lifecycle.models import Session
from token_lifecycle.testing import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


class Today(PBKDF2PasswordHasher):
    """What passwords are stored with."""

    iterations = 30


class LastYear(PBKDF2PasswordHasher):
    """The same with less work, as the release before had it."""

    iterations = 10


class Forgotten(MD5PasswordHasher):
    """Another algorithm altogether, of which some users are left."""


@pytest.fixture
def hashed(monkeypatch, settings):
    """The work of every hash that is made: its iterations, or the name of another algorithm."""
    settings.PASSWORD_HASHERS = [f"{__name__}.Today", f"{__name__}.Forgotten"]
    work = []
    pbkdf2, md5 = PBKDF2PasswordHasher.encode, Forgotten.encode

    def counting(hasher, password, salt, iterations=None):
        work.append(iterations or hasher.iterations)
        return pbkdf2(hasher, password, salt, iterations)

    def naming(hasher, password, salt):
        work.append(hasher.algorithm)
        return md5(hasher, password, salt)

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", counting)
    monkeypatch.setattr(Forgotten, "encode", naming)
    return work


def with_password(encoded, **fields):
    user = UserFactory(**fields)
    type(user).objects.filter(pk=user.pk).update(password=encoded)
    return user.get_username()


def nobody():
    return "nobody"


def wrong():
    return with_password(make_password("another"))


def inactive():
    return with_password(make_password(PASSWORD), is_active=False)


def inactive_and_wrong():
    return with_password(make_password("another"), is_active=False)


def unusable():
    return with_password(make_password(None))


def hash_of_no_algorithm():
    return with_password("nonsense$hash")


def hash_of_last_year():
    return with_password(make_password("another", hasher=LastYear()))


#: Who cannot sign in with ``PASSWORD``, for whatever reason.
REFUSED = [nobody, wrong, inactive, inactive_and_wrong, unusable, hash_of_no_algorithm]


def by_body(username):
    body = {"username": username, "password": PASSWORD}
    return APIClient().post(OBTAIN, body, format="json")


def by_cookie(username):
    return Browser().send("obtain/", {"username": username, "password": PASSWORD})


deliveries = pytest.mark.parametrize("sign_in", [by_body, by_cookie])


@deliveries
@pytest.mark.parametrize("who", REFUSED)
def test_a_refused_sign_in_costs_one_hash_whatever_the_reason(hashed, sign_in, who):
    username = who()
    hashed.clear()
    assert_answer(sign_in(username), 401, "invalid_credentials")
    assert hashed == [Today.iterations]


@deliveries
def test_a_hash_that_took_less_work_is_made_up_for(hashed, sign_in):
    username = hash_of_last_year()
    hashed.clear()
    assert_answer(sign_in(username), 401, "invalid_credentials")
    assert sum(hashed) == Today.iterations


@deliveries
def test_a_hash_of_another_algorithm_takes_its_own_time(hashed, sign_in):
    """As in Django, which makes up for nothing here: whoever changes the algorithm knows it."""
    username = with_password(make_password("another", hasher=Forgotten()))
    hashed.clear()
    assert_answer(sign_in(username), 401, "invalid_credentials")
    assert hashed == ["md5"]


@deliveries
def test_every_refused_sign_in_has_the_same_bytes_and_headers(sign_in):
    names = [who() for who in (*REFUSED, hash_of_last_year)]
    before = rows()
    answers = {(r.content, *sorted(r.headers.items())) for r in map(sign_in, names)}
    assert len(answers) == 1
    assert not any(sign_in(name).cookies for name in names)
    assert rows() == before


# Secrets are compared in constant time


@pytest.fixture
def compared(monkeypatch):
    """Every pair that was compared in constant time, and found equal or not."""
    pairs = []
    compare = hmac.compare_digest

    def recording(one, other):
        pairs.append((one, other))
        return compare(one, other)

    monkeypatch.setattr("token_lifecycle.tokens.hmac.compare_digest", recording)
    return pairs


def refresh(token):
    return APIClient().post(REFRESH, {"refresh": token}, format="json")


def refresh_by_cookie(token):
    return Browser().send("refresh/", cookies=f"{COOKIE}={token}")


@pytest.mark.parametrize("present", [refresh, refresh_by_cookie])
@pytest.mark.parametrize("right", [True, False])
def test_the_digest_of_a_secret_is_compared_in_constant_time(user, compared, present, right):
    issued = lifecycle.start_session(user)
    secret = claims_of(issued.refresh)["sec"] if right else "A" * 22
    response = present(reforged(issued.refresh, sec=secret))
    assert response.status_code == (200 if right else 401)
    stored = Session.objects.get().secret_digest
    assert (tokens.digest(secret), stored) in compared


def test_a_logout_asks_the_database_for_a_digest_and_never_for_a_secret(user):
    """Whoever sees how long the database looks learns of a digest, and nothing leads from there."""
    issued = lifecycle.start_session(user)
    secret = "A" * 22
    with CaptureQueriesContext(connection) as captured:
        body = {"refresh": reforged(issued.refresh, sec=secret)}
        assert_answer(APIClient().post(LOGOUT, body, format="json"), 204)
    statements = " ".join(query["sql"] for query in captured)
    assert tokens.digest(secret) in statements
    assert secret not in statements
    assert Session.objects.get().revoked_at is None


def test_no_secret_is_compared_with_an_equals_sign():
    """The two names that hold one, in the whole of the app."""
    names = r"(?:secret|secret_digest|\.sec)"
    compared = re.compile(rf"\b{names}\s*[!=]=|[!=]=\s*[\w.]*{names}\b")
    folder = Path(token_lifecycle.__file__).parent
    found = [
        (path.name, line)
        for path in folder.rglob("*.py")
        for line in path.read_text().splitlines()
        if compared.search(line)
    ]
    assert found == []
