"""What a refresh reads of a user, and what ties a session to the user's password."""

import functools

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AbstractUser, User
from django.db import models
from django.test.utils import isolate_apps
from django.utils.functional import cached_property

from token_lifecycle import binding


def user(password="a hash"):
    return User(password=password)


def test_a_binding_follows_the_password():
    assert binding.auth_hash(user()) == binding.auth_hash(user())
    assert binding.auth_hash(user()) != binding.auth_hash(user("another hash"))


@pytest.mark.parametrize("made", ["x", "x" * 40, "x" * 5000, "päss"])
def test_a_binding_has_one_length_whatever_a_project_makes_of_it(made, monkeypatch):
    monkeypatch.setattr(User, "get_session_auth_hash", lambda self: made)
    assert len(binding.auth_hash(user())) == 64


def test_fallback_keys_are_accepted_behind_the_newest(settings):
    before = binding.auth_hash(user())
    assert binding.accepted_hashes(user()) == (before,)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY, "an older key"]
    settings.SECRET_KEY = "the newest key"
    newest, older, oldest = binding.accepted_hashes(user())
    assert newest == binding.auth_hash(user()) != before
    assert older == before != oldest


@pytest.mark.parametrize(
    ("field", "columns"),
    [
        ("pk", ("id", "is_active", "password")),
        ("id", ("id", "is_active", "password")),
        ("email", ("email", "id", "is_active", "password")),
    ],
)
def test_of_djangos_user_only_a_few_columns_are_read(field, columns):
    assert binding.needed_columns(User, field) == columns


@isolate_apps("django.contrib.auth")
def test_a_model_without_a_column_for_activity_is_read_without_one():
    class Account(AbstractBaseUser):
        handle = models.CharField(primary_key=True, max_length=40)

        class Meta:
            app_label = "auth"

    assert binding.needed_columns(Account, "pk") == ("handle", "password")


def work_out(self, *args, **kwargs):
    return "whatever"


@isolate_apps("django.contrib.auth", "django.contrib.contenttypes")
@pytest.mark.parametrize(
    "own",
    [
        {"is_active": property(work_out)},
        {"is_active": cached_property(work_out)},
        {"is_active": functools.cached_property(work_out)},
        {"is_active": work_out},
        {"get_session_auth_hash": work_out},
        {"get_session_auth_fallback_hash": work_out},
        {"_get_session_auth_hash": work_out},
    ],
)
def test_a_model_with_code_of_its_own_is_read_whole(own):
    meta = type("Meta", (), {"app_label": "auth"})
    id_ = models.BigAutoField(primary_key=True)
    model = type(
        "Own", (AbstractBaseUser,), {"id": id_, "__module__": __name__, "Meta": meta, **own}
    )
    assert binding.needed_columns(model, "pk") is None


def test_djangos_abstract_user_overrides_nothing_of_it():
    """If a release did, every refresh of every project would read the whole user."""
    for name in binding.HASH_METHODS:
        assert getattr(AbstractUser, name) is getattr(AbstractBaseUser, name)
