"""For the tests of projects that use this app: factories, and signing in without a password.

Needs the extra ``testing`` (factory-boy)::

    def test_profile(client):
        sign_in(client, UserFactory())
        assert client.get("/profile/").status_code == 200
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone

from . import binding, lifecycle, tokens
from .conf import app_settings
from .lifecycle import IssuedTokens
from .models import RevocationReason, Session

try:
    import factory
except ModuleNotFoundError as missing:
    if missing.name != "factory":
        raise
    raise ImportError("Install django-token-lifecycle[testing].") from missing

PASSWORD = "correct horse battery staple"  # nosec B105  # of users in tests


class UserFactory(factory.django.DjangoModelFactory[Any]):
    """A user of the project's model who can sign in with ``PASSWORD``."""

    class Meta:
        model = settings.AUTH_USER_MODEL
        skip_postgeneration_save = True

    @classmethod
    def _create(cls, model_class: type[Any], *args: Any, **kwargs: Any) -> Any:
        password = kwargs.pop("password", PASSWORD)
        kwargs.setdefault(
            get_user_model().USERNAME_FIELD, f"person{next(cls._numbers)}@example.com"
        )
        user = model_class(*args, **kwargs)
        user.set_password(password)
        user.save()
        return user

    _numbers = iter(range(1, 10**9))


class SessionFactory(factory.django.DjangoModelFactory[Session]):
    """A row in a state of your choice; for tokens that work use ``sign_in``."""

    class Meta:
        model = Session
        skip_postgeneration_save = True

    class Params:
        idle = factory.Trait(
            idle_expires_at=factory.LazyFunction(lambda: timezone.now() - timedelta(hours=1))
        )
        expired = factory.Trait(
            idle_expires_at=factory.LazyFunction(lambda: timezone.now() - timedelta(hours=1)),
            expires_at=factory.LazyFunction(lambda: timezone.now() - timedelta(hours=1)),
        )
        ended = factory.Trait(
            revoked_at=factory.LazyFunction(timezone.now),
            revocation_reason=RevocationReason.LOGOUT,
        )
        reused = factory.Trait(
            revoked_at=factory.LazyFunction(timezone.now),
            revocation_reason=RevocationReason.REUSE_DETECTED,
        )

    user = factory.SubFactory(UserFactory)
    secret_digest = factory.LazyFunction(lambda: tokens.digest(tokens.new_secret()))
    created_at = factory.LazyFunction(timezone.now)
    rotated_at = factory.SelfAttribute("created_at")
    burst_started_at = factory.SelfAttribute("created_at")
    idle_expires_at = factory.LazyAttribute(lambda row: row.created_at + app_settings.idle_timeout)
    expires_at = factory.LazyAttribute(lambda row: row.created_at + app_settings.session_lifetime)
    auth_hash = factory.LazyAttribute(lambda row: binding.auth_hash(row.user) if row.user else "")
    ip_address = "192.0.2.1"
    user_agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    auth_method = "password"


def sign_in(client: Any, user: Any, **options: Any) -> IssuedTokens:
    """Start a session and let every later request of ``client`` carry its access token.

    ``client`` is Django's or DRF's test client; ``options`` go to ``start_session``.
    """
    issued = lifecycle.start_session(user, **options)
    client.defaults.update(authorization(issued))
    return issued


def authorization(issued: IssuedTokens) -> dict[str, str]:
    """What one request of a test client needs: ``client.get(url, **authorization(issued))``."""
    return {"HTTP_AUTHORIZATION": f"Bearer {issued.access}"}
