"""The message that tells others of an ended session: CAEP 1.0, RFC 8417, RFC 9493."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from token_lifecycle import lifecycle, tokens
from token_lifecycle.contrib import caep
from token_lifecycle.exceptions import TokenInvalid
from token_lifecycle.models import RevocationReason, Session
from token_lifecycle.signals import session_revoked
from token_lifecycle.testing import SessionFactory, UserFactory

pytestmark = pytest.mark.django_db

US, PARTNER = "https://shop.example", "https://partner.example"


def claims_for(session, **options):
    return caep.session_revoked(session, issuer=US, audience=PARTNER, **options)


@pytest.fixture
def ended():
    return SessionFactory(ended=True)


def test_the_event_names_the_session_the_user_the_moment_and_who_caused_it(ended):
    claims = claims_for(ended)
    assert (claims["iss"], claims["aud"]) == (US, PARTNER)
    assert claims["sub_id"] == {
        "format": "complex",
        "session": {"format": "opaque", "id": str(ended.pk)},
        "user": {"format": "iss_sub", "iss": US, "sub": str(ended.user_id)},
    }
    assert claims["events"] == {
        "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {
            "event_timestamp": int(ended.revoked_at.timestamp()),
            "initiating_entity": "user",
            "reason_admin": {"en": "logged out"},
        }
    }
    # RFC 8417 §2.2: an event does not expire, and its subject is in sub_id alone.
    assert not {"exp", "sub"} & set(claims)


@pytest.mark.parametrize("reason", RevocationReason)
def test_every_reason_has_one_who_caused_it(reason):
    session = SessionFactory(ended=True, revocation_reason=reason)
    [event] = claims_for(session)["events"].values()
    assert event["initiating_entity"] in ("admin", "user", "policy", "system")
    assert reason in caep.INITIATORS


def test_a_repetition_is_recognised_and_another_session_is_not_taken_for_one(ended):
    assert claims_for(ended)["jti"] == claims_for(ended)["jti"]
    assert claims_for(ended)["jti"] != claims_for(SessionFactory(ended=True))["jti"]


def test_of_a_deleted_user_the_session_alone_is_named(ended):
    ended.user.delete()
    assert set(claims_for(Session.objects.get())["sub_id"]) == {"format", "session"}


def test_a_deleted_user_is_named_as_the_signal_names_them(ended):
    gone, key = UserFactory(), ended.user_id
    named = {"format": "iss_sub", "iss": US, "sub": str(key)}
    assert claims_for(ended, user=gone)["sub_id"]["user"] == named
    user = type(gone).objects.get(pk=key)
    type(gone).objects.filter(pk=key).delete()
    assert claims_for(Session.objects.get(), user=user)["sub_id"]["user"] == named


def test_a_session_that_lives_makes_no_event():
    with pytest.raises(ValueError, match="not been ended"):
        claims_for(SessionFactory())


def test_it_is_signed_with_the_projects_own_key_pair(ended, settings):
    key = ed25519.Ed25519PrivateKey.generate()
    settings.SIMPLE_JWT = {
        "ALGORITHM": "EdDSA",
        "SIGNING_KEY": key,
        "VERIFYING_KEY": key.public_key(),
    }
    event = caep.encode(claims_for(ended))
    assert jwt.get_unverified_header(event)["typ"] == "secevent+jwt"
    read = jwt.decode(event, key.public_key(), algorithms=["EdDSA"], audience=PARTNER)
    assert read == claims_for(ended) | {"iat": read["iat"]}


def test_the_secret_that_signs_tokens_never_signs_an_event_for_others(ended):
    with pytest.raises(ImproperlyConfigured, match="must not be signed"):
        caep.encode(claims_for(ended))


def test_a_key_shared_with_the_receiver_may_be_given(ended):
    shared = "k" * 20 + "receiver-only-secret-" * 2
    event = caep.encode(claims_for(ended), key=shared, headers={"kid": "partner"})
    assert jwt.get_unverified_header(event)["kid"] == "partner"
    assert jwt.decode(event, shared, algorithms=["HS256"], audience=PARTNER)["iss"] == US


def test_an_event_passes_for_no_token_of_ours(ended, settings):
    """Even signed with the key that verifies tokens, and without an audience."""
    event = caep.encode(claims_for(ended), key=settings.SECRET_KEY)
    with pytest.raises(TokenInvalid):
        tokens.parse_access(event)
    with pytest.raises(TokenInvalid):
        tokens.parse_refresh(event, now=timezone.now())


def test_a_receiver_of_the_signal_has_all_it_needs(user, django_capture_on_commit_callbacks):
    sent = []

    def tell(sender, sessions, **kwargs):
        sent.extend(claims_for(session) for session in sessions)

    issued = [lifecycle.start_session(user) for _ in range(2)]
    session_revoked.connect(tell)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            lifecycle.revoke_sessions_of(user)
    finally:
        session_revoked.disconnect(tell)
    told = {claims["sub_id"]["session"]["id"] for claims in sent}
    assert told == {str(each.session.pk) for each in issued}
