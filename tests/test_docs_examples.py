"""The examples of the pages work: each block compiles, and the marked ones run and are used."""

import json
import re
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.db import router
from django.template import RequestContext, Template
from django.test import RequestFactory, override_settings
from django.urls import reverse
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import AccessToken

from token_lifecycle import api_errors, exceptions, lifecycle, signals, tokens
from token_lifecycle.admin import UserSessionsMixin
from token_lifecycle.conf import DEFAULTS
from token_lifecycle.device import Device
from token_lifecycle.exceptions import SessionLimitReached, Unavailable, UserInactive
from token_lifecycle.models import EventKind, Session, SessionEvent
from token_lifecycle.testing import PASSWORD, UserFactory, authorization, sign_in

from .browsing import COOKIE, Browser
from .pages import HTTP_API, MARKED, PAGES, README, blocks, marked, run, the
from .test_key_checks import reported
from .test_keys import PAIRS, SECRETS


@pytest.mark.parametrize("code", blocks("python"))
def test_every_python_block_compiles(code):
    compile(code, "a block of the docs", "exec")


@pytest.mark.parametrize("text", blocks("json"))
def test_every_json_block_is_json(text):
    json.loads(text)


def test_every_mark_is_one_that_a_test_looks_for():
    wanted = re.compile(r"(?:the|marked)\(f?\"([^\"]+)\"\)")
    here = {test.read_text() for test in Path(__file__).parent.glob("test_docs*.py")}
    here.add((Path(__file__).parent / "axes_suite.py").read_text())
    known = {mark for text in here for mark in wanted.findall(text)}
    known |= {"runs: preset AAL2", "runs: preset AAL3"}
    used = {mark for text in PAGES.values() for _, mark, _ in MARKED.findall(text)}
    assert used == known - {"runs: preset {level}"}


def complaints(**settings):
    with override_settings(**settings):
        return [m for m in run_checks() if (m.id or "").startswith("token_lifecycle")]


def settings_of(module):
    return {name: value for name, value in vars(module).items() if name.isupper()}


@pytest.mark.parametrize("code", marked("runs: settings"))
def test_settings_blocks_pass_the_system_checks(code, monkeypatch):
    monkeypatch.setenv("TOKEN_SIGNING_KEY", "0123456789abcdefghijklmnopqrstuvwxyz")
    chosen = settings_of(run(code))
    for app in chosen.pop("INSTALLED_APPS", []):
        assert apps.is_installed(app)
    assert chosen
    assert complaints(**chosen) == []


@pytest.mark.parametrize(
    ("level", "overall", "idle"),
    [
        ("AAL2", timedelta(hours=24), timedelta(hours=1)),
        ("AAL3", timedelta(hours=12), timedelta(minutes=15)),
    ],
)
def test_the_presets_stay_within_the_limits_of_their_level(level, overall, idle, api, user):
    chosen = settings_of(run(the(f"runs: preset {level}")))
    assert complaints(**chosen) == []
    with override_settings(**chosen):
        issued = lifecycle.start_session(user)
    session = issued.session
    assert session.expires_at - session.created_at <= overall
    assert session.idle_expires_at - session.created_at <= idle
    assert issued.expires_in < idle.total_seconds()


def test_the_ring_of_keys_passes_the_checks(monkeypatch):
    kept = {".pem": PAIRS["EdDSA"][0], ".key": SECRETS[0]}
    monkeypatch.setattr(Path, "read_text", lambda path: kept[path.suffix])
    [first, *others] = run(the("runs: keyring")).TOKEN_LIFECYCLE["SIGNING_KEYS"]
    public = first.pop("VERIFYING_KEY")  # of a key that nobody has
    assert load_pem_public_key(public.encode())
    first["VERIFYING_KEY"] = PAIRS["EdDSA"][1]
    assert reported(first, *others, deploy=True) == []


def test_a_running_project_enters_the_ring_without_signing_anybody_out(user, api, settings):
    ring = run(the("runs: until now"))
    settings.SECRET_KEY = ring.SECRET_KEY
    before = lifecycle.start_session(user)
    [until_now] = ring.TOKEN_LIFECYCLE["SIGNING_KEYS"]
    assert reported(until_now) == []
    new = {"KID": "new", "ALGORITHM": "HS256", "SIGNING_KEY": SECRETS[0]}
    for entries in ([until_now], [until_now, new], [new, until_now]):
        settings.TOKEN_LIFECYCLE = {"THROTTLE_RATES": None, "SIGNING_KEYS": entries}
        assert api.get("/whoami/", **authorization(before)).status_code == 200
        assert api.post("/auth/refresh/", {"refresh": before.refresh}).status_code == 200


def test_the_default_stays_within_the_first_level():
    assert DEFAULTS["SESSION_LIFETIME"] <= timedelta(days=30)


@pytest.mark.parametrize("code", marked("runs: urls"))
def test_urls_blocks_mount_endpoints(code):
    with override_settings(ROOT_URLCONF=run(code)):
        if "browser_urls" in code:
            assert reverse("token_lifecycle_browser:csrf") == "/auth/csrf/"
        if "token_lifecycle.urls" in code:
            assert reverse("token_lifecycle:obtain").endswith("/auth/obtain/")


def test_another_kind_of_sign_in_hands_out_tokens_that_work(api, user):
    view = run(the("runs: start_session"), verify_passkey=lambda data: user).PasskeyView.as_view()
    answer = json.loads(view(APIRequestFactory().post("/", {}, format="json")).content)
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {answer['access']}")
    assert api.get("/whoami/").status_code == 200
    assert api.post("/auth/refresh/", {"refresh": answer["refresh"]}).status_code == 200
    session = Session.objects.get()
    assert session.auth_method == "passkey"
    assert session.expires_at - session.created_at == timedelta(hours=8)


def test_a_magic_link_signs_a_browser_in(rf, user):
    view = run(the("runs: magic_link"), user_of_link=lambda token: user).magic_link
    response = view(rf.get("/link/"), "x")
    assert (response.status_code, response["Location"]) == (302, "/")
    browser = Browser()
    browser.token = response.cookies[COOKIE].value
    assert browser.send("refresh/").status_code == 200
    assert Session.objects.get().auth_method == "magic_link"


@pytest.mark.parametrize(
    ("raised", "status"),
    [(SessionLimitReached(), 403), (UserInactive(), 401), (Unavailable(), 503)],
    ids=lambda value: type(value).__name__,
)
def test_a_view_of_ones_own_answers_its_errors_as_ours_do(raised, status):
    def verify(data):
        raise raised

    view = run(the("runs: exception_handler"), verify_passkey=verify).PasskeyView.as_view()
    response = view(APIRequestFactory().post("/", {}, format="json"))
    assert (response.status_code, response.data["code"]) == (status, raised.code)


def test_the_strict_view_refuses_what_a_list_in_memory_may_not_know_yet(user, options):
    options(REVOCATION_CHECK="none")
    block = run(the("runs: fresh"))
    issued = lifecycle.start_session(user)
    factory = APIRequestFactory()
    catalogue, payment = block.Catalogue.as_view(), block.Payment.as_view()

    def answers():
        headers = authorization(issued)
        return (
            catalogue(factory.get("/", **headers)).status_code,
            payment(factory.post("/", **headers)).status_code,
        )

    assert answers() == (200, 200)
    lifecycle.revoke_session(issued.session.pk)
    assert answers() == (200, 401)


@pytest.mark.django_db(transaction=True)
def test_the_receivers_hear_of_reuse_and_of_a_new_client():
    block = run(the("runs: signals"))
    user = UserFactory()
    first = lifecycle.start_session(user, device=Device(user_agent="one"))
    later = first.issued_at + timedelta(hours=1)
    lifecycle.rotate(first.refresh, device=Device(user_agent="two"), now=later)
    thief = Device(ip_address="192.0.2.66")
    with pytest.raises(exceptions.TokenReused):
        lifecycle.rotate(first.refresh, device=thief, now=later + timedelta(hours=1))
    assert block.warned == [
        f"{user.pk}: two after one",
        f"{user.pk}: a copied token was used from 192.0.2.66",
    ]


def test_the_claims_hook_adds_claims(user):
    with override_settings(TOKEN_LIFECYCLE={"ACCESS_CLAIMS": run(the("runs: claims")).claims}):
        issued = lifecycle.start_session(user)
    claims = tokens.parse_access(issued.access).claims
    assert (claims["staff"], claims["amr"]) == (False, ("password",))


def test_the_protected_views_answer_as_the_page_says(user):
    block = run(the("runs: views"))
    issued = lifecycle.start_session(user)
    who = block.WhoAmIView.as_view()(APIRequestFactory().get("/", **authorization(issued)))
    assert who.data["session"] == issued.session.pk
    stale = APIRequestFactory().delete("/")
    claims = tokens.parse_access(issued.access)
    long_ago = claims.auth_time - timedelta(minutes=6)
    old_claims = tokens.AccessClaims(
        session_id=claims.session_id,
        user_id=claims.user_id,
        expires_at=claims.expires_at,
        auth_time=long_ago,
        claims={},
    )
    force_authenticate(stale, user, old_claims)
    refused = block.DeleteAccountView.as_view()(stale)
    assert (refused.status_code, refused.data["code"]) == (403, "reauthentication_required")
    fresh = APIRequestFactory().delete("/", **authorization(issued))
    assert block.DeleteAccountView.as_view()(fresh).status_code == 204
    assert not get_user_model().objects.exists()


class TestTheMoveFromSimplejwt:
    """The authenticator of ``docs/migrating.md``, while clients change over."""

    @pytest.fixture
    def caller(self):
        authenticator = run(the("runs: migration")).OldOrNew()

        def caller(access, scheme="Bearer"):
            request = RequestFactory().get("/", HTTP_AUTHORIZATION=f"{scheme} {access}")
            found = authenticator.authenticate(request)
            return found and found[0]

        return caller

    def test_both_kinds_of_token_work_and_a_broken_one_does_not(self, caller, user):
        issued = lifecycle.start_session(user)
        assert caller(AccessToken.for_user(user)) == caller(issued.access) == user
        for broken in ("x", issued.access[:-2]):
            with pytest.raises(api_errors.BearerRefused):
                caller(broken)

    def test_an_ended_session_does_not_come_back_through_simplejwt(self, caller, user):
        issued = lifecycle.start_session(user)
        lifecycle.revoke_session(issued.session.pk)
        with pytest.raises(api_errors.BearerRefused):
            caller(issued.access)
        # Signed with the same key, and of a user the session is not of: simplejwt would take it.
        claims = tokens.parse_access(lifecycle.start_session(user).access)
        forged = AccessToken.for_user(UserFactory())
        forged["sid"], forged["auth_time"] = str(claims.session_id), forged["iat"]
        with pytest.raises(api_errors.BearerRefused):
            caller(forged)

    def test_another_scheme_is_simplejwts_alone(self, caller, user, monkeypatch):
        monkeypatch.setattr(
            "rest_framework_simplejwt.authentication.AUTH_HEADER_TYPE_BYTES", {b"JWT"}
        )
        old, issued = AccessToken.for_user(user), lifecycle.start_session(user)
        assert caller(old, "JWT") == caller(issued.access) == user
        with pytest.raises(InvalidToken):
            caller(issued.access, "JWT")
        with pytest.raises(InvalidToken):
            caller("x", "JWT")
        with pytest.raises(api_errors.BearerRefused):
            caller(old)
        assert caller("a", "Basic") is None


def test_the_strategy_for_allauth_hands_out_tokens_that_work(api, user, monkeypatch):
    # allauth brings a session of its own to each request, and what follows is all it asks of us.
    strategies = ModuleType("allauth.headless.tokens.strategies.sessions")
    strategies.SessionTokenStrategy = object
    monkeypatch.setitem(sys.modules, strategies.__name__, strategies)
    strategy = run(the("runs: allauth")).LifecycleStrategy()
    request = RequestFactory().post("/")
    request.user = user
    payload = strategy.create_access_token_payload(request)
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {payload['access_token']}")
    assert api.get("/whoami/").status_code == 200
    assert api.post("/auth/refresh/", {"refresh": payload["refresh_token"]}).status_code == 200
    assert payload["expires_in"] == 900


def test_the_view_for_another_site_gives_a_csrf_token_that_is_not_stored():
    answer = run(the("runs: csrf_token")).csrf_token(RequestFactory().get("/"))
    assert len(json.loads(answer.content)["token"]) == 64
    assert answer["Cache-Control"] == "no-store"


def test_cors_comes_first_and_lets_in_nobody_but_the_page():
    chosen = run(the("runs: cors"))
    assert chosen.MIDDLEWARE[0].startswith("corsheaders.")
    assert chosen.CORS_ALLOWED_ORIGINS == chosen.CSRF_TRUSTED_ORIGINS


def test_the_router_keeps_users_and_sessions_together():
    with override_settings(DATABASE_ROUTERS=[run(the("runs: router")).AccountsRouter()]):
        assert router.db_for_write(Session) == router.db_for_write(get_user_model()) == "accounts"
        assert router.allow_migrate("accounts", "token_lifecycle")
        assert not router.allow_migrate("default", "token_lifecycle")


def test_the_other_settings_name_what_exists():
    assert "token_lifecycle" in run(the("runs: logging")).LOGGING["loggers"]
    options = run(the("runs: sqlite")).DATABASES["default"]["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"


def test_the_query_of_an_incident_finds_the_theft(user):
    session = lifecycle.start_session(user).session
    SessionEvent.objects.create(
        kind=EventKind.REUSE_DETECTED,
        session=session,
        user=user,
        created_at=session.created_at,
        ip_address="192.0.2.66",
    )
    assert list(run(the("runs: incident")).by_address) == [("192.0.2.66", user.pk)]


def json_after(text, heading):
    """The first answer behind a heading."""
    return json.loads(re.search(r"```json\n(.*?)```", text.partition(heading)[2], re.DOTALL)[1])


def test_the_answers_shown_have_the_members_of_real_ones(api, user):
    body = json.loads(the("example: obtain")) | {"username": user.get_username()}
    answer = api.post("/auth/obtain/", body | {"password": PASSWORD}).json()
    assert json_after(README, "## The endpoints").keys() == answer.keys()
    assert json_after(HTTP_API, "`device_name` is optional").keys() == answer.keys()
    refreshed = api.post("/auth/refresh/", {"refresh": answer["refresh"]})
    assert json.loads(the("example: refresh")).keys() == {"refresh"}
    assert refreshed.json().keys() == answer.keys()
    sign_in(api, user)
    listed, shown = api.get("/auth/sessions/").json(), json_after(HTTP_API, "## My devices")
    assert shown.keys() == listed.keys()
    assert shown["results"][0].keys() == listed["results"][0].keys()
    assert api.post("/auth/logout-all/").json().keys() == json_after(HTTP_API, "everywhere").keys()
    wrong = api.post("/auth/obtain/", {"username": "anna"}).json()
    assert wrong == json_after(HTTP_API, "## Errors")


def test_the_template_tells_the_client_where_the_endpoints_are():
    (page,) = (block.values[0] for block in blocks("html"))
    context = RequestContext(RequestFactory().get("/"))
    html = Template(page).render(context)
    assert '"refreshUrl": "/browser/refresh/"' in html
    assert 'from "/static/token_lifecycle/client.min.js"' in html


def test_the_panel_can_be_given_to_an_admin_of_the_projects_own():
    admin_class = run(the("runs: user panel")).CustomerAdmin
    assert issubclass(admin_class, UserSessionsMixin)


def test_the_message_for_others_is_made_when_a_session_ends(
    settings, user, django_capture_on_commit_callbacks
):
    private, public = PAIRS["EdDSA"]
    keys = {"ALGORITHM": "EdDSA", "SIGNING_KEY": private, "VERIFYING_KEY": public}
    settings.SIMPLE_JWT = keys
    module = run(the("runs: caep"))
    issued, key = lifecycle.start_session(user), str(user.pk)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            user.delete()
    finally:
        signals.session_revoked.disconnect(module.tell_the_partner)
    [message] = module.outbox
    claims = jwt.decode(message, public, algorithms=["EdDSA"], audience=module.PARTNER)
    assert claims["sub_id"]["session"]["id"] == str(issued.session.pk)
    assert claims["sub_id"]["user"]["sub"] == key
