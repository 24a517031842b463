"""The block of JSON that tells the browser client where the endpoints are."""

import json
import re
from pathlib import Path

import pytest
from django.contrib.staticfiles.finders import find
from django.http import HttpResponse
from django.template import Context, RequestContext, Template
from django.urls import include, path, resolve

BROWSER = "token_lifecycle.browser_urls"


def nothing(request):
    return HttpResponse()


urlpatterns = [
    path("sign-in/", nothing, name="sign-in"),
    path("shop/auth/", include(BROWSER)),
    path("staff/auth/", include(BROWSER, namespace="staff")),
    path("<slug:tenant>/auth/", include(BROWSER, namespace="tenants")),
]


@pytest.fixture(autouse=True)
def _urls(settings):
    settings.ROOT_URLCONF = __name__
    settings.LOGIN_URL = "/enter/"


def render(arguments="", context=None):
    template = Template(f"{{% load token_lifecycle %}}{{% token_lifecycle_config {arguments} %}}")
    return template.render(context or Context())


def config(arguments="", context=None):
    (text,) = re.findall(r">(.*)</script>", render(arguments, context))
    return json.loads(text)


def test_the_client_is_told_all_it_cannot_guess():
    assert config() == {
        "refreshUrl": "/shop/auth/refresh/",
        "logoutUrl": "/shop/auth/logout/",
        "logoutAllUrl": "/shop/auth/logout-all/",
        "csrfUrl": "/shop/auth/csrf/",
        "loginUrl": "/enter/",
        "namespace": "tl:/shop/auth/",
        "hintCookie": "tl_hint",
        "csrf": {"cookie": "csrftoken", "header": "X-Csrftoken"},
    }


def test_every_option_is_one_that_the_client_declares():
    types = Path(find("token_lifecycle/client.d.ts")).read_text()
    options = types[types.index("interface AuthOptions") : types.index("class AuthError")]
    for name in config():
        assert re.search(rf"^  {name}\?:", options, re.MULTILINE), name


def test_the_block_is_found_by_the_client_and_allowed_by_every_content_security_policy():
    assert render().startswith('<script id="token-lifecycle-config" type="application/json">')
    assert 'id="staff-config"' in render('element_id="staff-config"')


def test_another_mount_is_named_by_its_namespace():
    assert config('"staff"')["refreshUrl"] == "/staff/auth/refresh/"


def test_pages_of_two_mounts_share_nothing_in_a_browser():
    """Or one would hand the other its access tokens, of another user or tenant."""
    told = [
        config(),
        config('"staff"'),
        config('"tenants" tenant="a"'),
        config('"tenants" tenant="b"'),
    ]
    for option in ("namespace", "hintCookie"):
        assert len({each[option] for each in told}) == 4


def test_pages_of_mounts_that_share_a_cookie_share_its_lock(settings):
    """Or both would exchange the same token at the same moment."""
    settings.TOKEN_LIFECYCLE = {"COOKIE": {"PATH": "/"}}
    for option, value in (("namespace", "tl:/"), ("hintCookie", "tl_hint")):
        assert config()[option] == config('"staff"')[option] == value


def test_what_a_mount_captures_is_passed_on():
    assert config('"tenants" tenant="acme"')["logoutUrl"] == "/acme/auth/logout/"


def test_a_page_that_lies_inside_a_mount_is_told_of_that_mount(rf):
    request = rf.get("/staff/auth/csrf/")
    request.resolver_match = resolve("/staff/auth/csrf/")
    assert config(context=RequestContext(request))["refreshUrl"] == "/staff/auth/refresh/"


def test_a_page_elsewhere_is_told_of_the_default_mount(rf):
    request = rf.get("/sign-in/")
    request.resolver_match = resolve("/sign-in/")
    assert config(context=RequestContext(request))["refreshUrl"] == "/shop/auth/refresh/"


def test_the_project_s_own_names_are_used(settings):
    settings.CSRF_COOKIE_NAME = "shop_csrf"
    settings.CSRF_HEADER_NAME = "HTTP_X_SHOP_CSRF"
    settings.LOGIN_URL = "sign-in"
    settings.TOKEN_LIFECYCLE = {"COOKIE": {"HINT_NAME": "shop_hint"}}
    told = config()
    assert told["csrf"] == {"cookie": "shop_csrf", "header": "X-Shop-Csrf"}
    assert told["loginUrl"] == "/sign-in/"
    assert told["hintCookie"] == "shop_hint"


def test_nothing_in_a_setting_can_close_the_block(settings):
    settings.LOGIN_URL = "/</script><script>alert(1)</script>"
    assert render().count("<script") == 1
    assert config()["loginUrl"] == settings.LOGIN_URL


def test_nothing_secret_is_told(settings):
    rendered = render()
    assert settings.SECRET_KEY not in rendered
    assert "refresh_token" not in rendered
