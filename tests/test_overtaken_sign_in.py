"""A sign-in whose hash needs an upgrade, overtaken by somebody who stores another hash."""

import pytest
from django.contrib.auth.hashers import make_password

from tests.races import StrongHasher, WeakHasher
from token_lifecycle.testing import PASSWORD

pytestmark = pytest.mark.django_db


def change_password(users):
    other = users.get()
    other.set_password("new")
    other.save()


def sign_in_elsewhere(users):
    assert users.get().check_password(PASSWORD)


@pytest.mark.parametrize(
    ("meanwhile", "status"),
    [(change_password, 401), (sign_in_elsewhere, 200), (lambda users: None, 200)],
    ids=["changed", "re-hashed", "nothing"],
)
def test_a_sign_in_with_the_old_password_that_overlaps_the_change_is_refused(
    api, user, settings, monkeypatch, meanwhile, status
):
    settings.PASSWORD_HASHERS = ["tests.races.StrongHasher"]
    users = type(user).objects
    users.update(password=make_password(PASSWORD, hasher=WeakHasher()))
    verify = StrongHasher.verify

    def overtaken(self, password, encoded):
        monkeypatch.setattr(StrongHasher, "verify", verify)
        meanwhile(users)
        return verify(self, password, encoded)

    monkeypatch.setattr(StrongHasher, "verify", overtaken)
    credentials = {"username": user.get_username(), "password": PASSWORD}
    answer = api.post("/auth/obtain/", credentials)
    assert answer.status_code == status
    if status == 200:
        presented = {"refresh": answer.json()["refresh"]}
        assert api.post("/auth/refresh/", presented).status_code == 200
