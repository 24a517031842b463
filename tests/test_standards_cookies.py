"""What the standards ask of the cookie and no other test shows (see docs/standards.md)."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.utils import timezone

from tests.answers import assert_answer
from tests.browsing import COOKIE, Browser
from token_lifecycle.conf import COOKIE_DEFAULTS
from token_lifecycle.cookies import MAX_COOKIE_LENGTH, CookieAttributes, set_refresh
from token_lifecycle.testing import PASSWORD

HTTP_ONLY_BY_NAME = "__Host-Http-refresh"


@pytest.mark.django_db
def test_a_name_may_promise_that_no_script_has_set_the_cookie(user, options):
    """COOK-05: browsers that know the prefix refuse it from scripts and without ``HttpOnly``."""
    options(COOKIE={"NAME": HTTP_ONLY_BY_NAME, "PATH": "/"})
    browser = Browser()
    cookie = browser.sign_in(user, PASSWORD).cookies[HTTP_ONLY_BY_NAME]
    assert (cookie["path"], cookie["domain"]) == ("/", "")
    assert cookie["secure"]
    assert cookie["httponly"]
    assert_answer(browser.send("refresh/"), 200)


@pytest.mark.django_db
def test_the_cookie_fits_with_the_longest_key_there_is_in_use(user, settings):
    """COOK-06: a signature of 4,096 bits, with an issuer and an audience."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=4096)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(*form, serialization.NoEncryption()).decode()
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    settings.SIMPLE_JWT = {
        "ALGORITHM": "RS512",
        "SIGNING_KEY": private,
        "VERIFYING_KEY": key.public_key().public_bytes(*form).decode(),
        "ISSUER": "https://accounts.example.com/",
        "AUDIENCE": "https://api.example.com/",
    }
    browser = Browser()
    assert_answer(browser.sign_in(user, PASSWORD), 200)
    assert len(COOKIE) + len(browser.token) < MAX_COOKIE_LENGTH / 2


@pytest.mark.parametrize(("surplus", "fits"), [(0, True), (1, False)])
def test_a_cookie_that_browsers_would_drop_is_an_error_and_not_a_silence(surplus, fits):
    """COOK-06 (RFC 6265bis §5.6): a project that puts a novel into its user ids finds out."""
    attributes = CookieAttributes.from_settings(COOKIE_DEFAULTS, mount="/")
    token = "x" * (MAX_COOKIE_LENGTH - len(attributes.name) + surplus)
    now = timezone.now()
    response = HttpResponse()
    if fits:
        set_refresh(response, token, attributes=attributes, expires_at=now, now=now)
        assert response.cookies[attributes.name].value == token
    else:
        with pytest.raises(ImproperlyConfigured, match="longer than browsers store"):
            set_refresh(response, token, attributes=attributes, expires_at=now, now=now)
        assert not response.cookies
