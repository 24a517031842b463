"""The refresh cookie: what is set is what is deleted, and only the exact one is read."""

from datetime import UTC, datetime, timedelta

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from token_lifecycle import cookies
from token_lifecycle.conf import COOKIE_DEFAULTS
from token_lifecycle.cookies import CookieAttributes, DuplicateCookie

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def attributes(mount="/auth/", **changes):
    return CookieAttributes.from_settings({**COOKIE_DEFAULTS, **changes}, mount=mount)


def set_on_response(attributes, *, age=timedelta(days=14)):
    response = HttpResponse()
    expires_at = NOW + age
    cookies.set_refresh(response, "token", attributes=attributes, expires_at=expires_at, now=NOW)
    return response


def deleted_on_response(attributes):
    response = HttpResponse()
    cookies.delete(response, attributes=attributes)
    return response


class TestAttributes:
    def test_by_default_the_cookie_is_as_strict_as_it_can_be(self):
        assert attributes() == CookieAttributes(
            name="__Secure-refresh_token",
            hint_name="tl_hint",
            path="/auth/",
            domain=None,
            secure=True,
            samesite="Strict",
        )

    def test_without_secure_the_name_loses_the_prefix_that_needs_it(self):
        assert attributes(SECURE=False).name == "refresh_token"

    def test_every_attribute_can_be_set(self):
        configured = {
            "NAME": "__Host-Http-r",
            "SECURE": True,
            "SAMESITE": "Lax",
            "DOMAIN": "example.com",
            "PATH": "/",
            "HINT_NAME": "hint",
        }
        assert attributes(**configured) == CookieAttributes(
            name="__Host-Http-r",
            hint_name="hint",
            path="/",
            domain="example.com",
            secure=True,
            samesite="Lax",
        )


class TestSetting:
    def test_the_token_travels_in_a_cookie_that_no_script_can_read(self):
        cookie = set_on_response(attributes()).cookies["__Secure-refresh_token"]
        assert cookie.value == "token"
        assert cookie["httponly"] is True
        assert cookie["secure"] is True
        assert cookie["samesite"] == "Strict"
        assert cookie["path"] == "/auth/"
        assert cookie["domain"] == ""
        assert cookie["max-age"] == 14 * 86400

    def test_the_hint_holds_no_secret_and_can_be_read_on_every_page(self):
        cookie = set_on_response(attributes()).cookies["tl_hint"]
        assert cookie.value == "1"
        assert cookie["httponly"] == ""
        assert cookie["secure"] is True
        assert cookie["samesite"] == "Strict"
        assert cookie["path"] == "/"
        assert cookie["max-age"] == 14 * 86400

    def test_the_age_is_never_negative(self):
        response = set_on_response(attributes(), age=timedelta(days=-1))
        assert {cookie["max-age"] for cookie in response.cookies.values()} == {0}

    @pytest.mark.parametrize("changes", [{}, {"SECURE": False}, {"DOMAIN": "example.com"}], ids=str)
    def test_what_deletes_a_cookie_has_the_attributes_of_what_set_it(self, changes):
        chosen = attributes(**changes)
        was, now = set_on_response(chosen).cookies, deleted_on_response(chosen).cookies
        assert was.keys() == now.keys()
        for name, cookie in now.items():
            assert cookie.value == ""
            assert cookie["max-age"] == 0
            assert cookie["expires"] == "Thu, 01 Jan 1970 00:00:00 GMT"
            kept = ("path", "domain", "secure", "httponly", "samesite")
            assert [cookie[key] for key in kept] == [was[name][key] for key in kept]


NAME = "__Secure-refresh_token"


class TestReading:
    def read(self, header, **changes):
        request = RequestFactory().get("/", **({"HTTP_COOKIE": header} if header else {}))
        return cookies.the_one(cookies.read_refresh(request, attributes=attributes(**changes)))

    @pytest.mark.parametrize(
        ("header", "value"),
        [
            ("", None),
            ("other=1", None),
            (f"{NAME}=abc", "abc"),
            (f"a=1; {NAME}=abc; b=2", "abc"),
            (f"a=1;{NAME}=abc", "abc"),
            (f"  {NAME} = abc ", "abc"),
            (f"{NAME}=a=b=c", "a=b=c"),
            (f"{NAME}=", ""),
            (NAME, ""),
            (f'{NAME}="abc"', '"abc"'),
            (f"x{NAME}=abc", None),
            (f"{NAME}x=abc", None),
            ("refresh_token=abc", None),
            ("__secure-refresh_token=abc", None),
            ("__Host-refresh_token=abc", None),
            (f"={NAME}=abc", None),
            (f"{NAME}=" + "x" * 10_000, "x" * 10_000),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_the_cookie_is_matched_by_its_exact_name(self, header, value):
        assert self.read(header) == value

    def test_without_secure_only_the_plain_name_counts(self):
        assert self.read("refresh_token=abc", SECURE=False) == "abc"
        assert self.read(f"{NAME}=abc", SECURE=False) is None

    @pytest.mark.parametrize(
        "header",
        [
            f"{NAME}=good; {NAME}=evil",
            f"{NAME}=evil; {NAME}=good",
            f"{NAME}=same; a=1; {NAME}=same",
            f"{NAME}=good; {NAME}",
            f"{NAME}; {NAME}=good",
        ],
    )
    def test_two_cookies_of_the_name_are_refused_in_every_order(self, header):
        with pytest.raises(DuplicateCookie) as caught:
            self.read(header)
        assert not caught.value.final
