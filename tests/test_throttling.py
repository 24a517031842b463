"""The throttles: on by default, one bucket for one account, and closed when the cache is broken."""

import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.urls import path
from rest_framework.throttling import AnonRateThrottle, ScopedRateThrottle, UserRateThrottle

from tests.forging import rows
from tests.urls import WhoAmI
from tests.urls import urlpatterns as usual_urls
from token_lifecycle import lifecycle
from token_lifecycle.authentication import StatelessSessionTokenAuthentication
from token_lifecycle.serializers import USERNAME_LENGTH
from token_lifecycle.testing import PASSWORD, UserFactory
from token_lifecycle.throttling import (
    GuardedCache,
    ObtainAccountThrottle,
    RefreshSessionThrottle,
)

OBTAIN = "/auth/obtain/"
REFRESH = "/auth/refresh/"
NOW = datetime(2030, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def rates(settings):
    """Set the rates; what is not named is off."""

    def chosen(**rates):
        off = dict.fromkeys(("obtain_address", "obtain_account", "refresh_session"))
        settings.TOKEN_LIFECYCLE = {"THROTTLE_RATES": {**off, **rates}}

    return chosen


def sign_in(api, username="nobody", password="wrong", **extra):
    return api.post(OBTAIN, {"username": username, "password": password}, **extra)


def assert_throttled(response, *, seconds):
    assert response.status_code == 429
    assert response["Retry-After"] == str(seconds)
    assert response["Cache-Control"] == "no-store"
    assert response.json()["code"] == "throttled"


class TestDefaults:
    @pytest.fixture(autouse=True)
    def _defaults(self, settings):
        settings.TOKEN_LIFECYCLE = {}

    def test_sign_ins_to_one_account_are_limited(self, api):
        for n in range(10):
            assert sign_in(api, REMOTE_ADDR=f"192.0.2.{n}").status_code == 401
        assert_throttled(sign_in(api, REMOTE_ADDR="192.0.2.99"), seconds=60)

    def test_sign_ins_from_one_address_are_limited(self, api):
        for n in range(30):
            assert sign_in(api, f"user{n}").status_code == 401
        assert_throttled(sign_in(api, "another"), seconds=60)

    def test_refreshes_of_one_session_are_limited(self, api, user):
        refresh = lifecycle.start_session(user).refresh
        for _ in range(60):
            response = api.post(REFRESH, {"refresh": refresh})
            refresh = response.json()["refresh"]
        assert_throttled(api.post(REFRESH, {"refresh": refresh}), seconds=60)

    def test_a_right_password_does_not_get_around_the_limit(self, api, user):
        for _ in range(10):
            sign_in(api, user.get_username())
        before = rows()
        response = sign_in(api, user.get_username(), PASSWORD)
        assert_throttled(response, seconds=60)
        assert rows() == before


class TestObtain:
    def test_a_throttled_sign_in_asks_no_hasher_and_no_database(
        self, api, rates, django_assert_num_queries
    ):
        rates(obtain_account="1/min")
        sign_in(api)
        # But for the ones where only the database knows whom a name means.
        with django_assert_num_queries(1 if connection.vendor == "mysql" else 0):
            assert_throttled(sign_in(api), seconds=60)

    def test_the_window_moves_on(self, api, rates, clock):
        rates(obtain_account="2/min")
        sign_in(api)
        clock.shift(timedelta(seconds=40))
        sign_in(api)
        assert_throttled(sign_in(api), seconds=20)
        clock.shift(timedelta(seconds=20))
        assert sign_in(api).status_code == 401

    def test_other_accounts_and_addresses_are_not_concerned(self, api, rates):
        rates(obtain_account="1/min", obtain_address="2/min")
        sign_in(api, "anna", REMOTE_ADDR="192.0.2.1")
        assert sign_in(api, "anna", REMOTE_ADDR="192.0.2.2").status_code == 429
        assert sign_in(api, "bert", REMOTE_ADDR="192.0.2.1").status_code == 401
        assert sign_in(api, "carl", REMOTE_ADDR="192.0.2.1").status_code == 429

    def test_an_address_over_its_limit_uses_up_no_tries_of_an_account(self, api, rates):
        rates(obtain_account="2/min", obtain_address="1/min")
        sign_in(api, "anna", REMOTE_ADDR="192.0.2.1")
        for _ in range(5):
            assert sign_in(api, "anna", REMOTE_ADDR="192.0.2.1").status_code == 429
        assert sign_in(api, "anna", REMOTE_ADDR="192.0.2.2").status_code == 401

    def test_an_answer_says_when_to_try_again_also_after_the_rate_was_lowered(self, api, rates):
        rates(obtain_account="5/min")
        for _ in range(5):
            sign_in(api)
        rates(obtain_account="1/min")
        assert_throttled(sign_in(api), seconds=60)

    @pytest.mark.parametrize(
        "variant",
        [
            "MÜLLER",
            "  müller ",
            "Muller",
            "mu\N{COMBINING DIAERESIS}ller",
            "mülle\N{LATIN SMALL LETTER R}",
            "\N{FULLWIDTH LATIN SMALL LETTER M}üller",
            "mü\N{ZERO WIDTH SPACE}ller",
            "mü\N{SOFT HYPHEN}ller",
            "mü ller",
            "m\N{LATIN SMALL LETTER U WITH DIAERESIS AND CARON}ller",
        ],
        ids=ascii,
    )
    def test_another_spelling_of_a_name_buys_no_further_try(self, api, rates, variant):
        rates(obtain_account="1/min")
        sign_in(api, "müller")
        assert sign_in(api, variant).status_code == 429

    def test_whatever_the_database_takes_for_the_same_account_is_one_bucket(self, api, rates):
        """MariaDB's collations sign "josé" in as "JOSE"; nobody may try each spelling."""
        UserFactory(username="jose")
        rates(obtain_account="1/min")
        for spelling in ("jose", "josé", "JOSE", "jósè", "ĵȯşẽ"):
            found = get_user_model().objects.filter(username=spelling).exists()
            assert not found or connection.vendor == "mysql" or spelling == "jose"
            expected = 401 if spelling == "jose" else 429
            assert sign_in(api, spelling).status_code == expected

    @pytest.mark.parametrize(
        "space", [" ", "\n", "\N{NO-BREAK SPACE}", "\N{IDEOGRAPHIC SPACE}"], ids=ascii
    )
    def test_a_name_in_more_space_than_a_name_may_have_is_still_that_name(self, api, rates, space):
        rates(obtain_account="1/min")
        assert sign_in(api, "anna").status_code == 401
        for name in ("anna" + space * 5000, space * 5000 + "anna"):
            assert sign_in(api, name).status_code == 429

    @pytest.mark.parametrize(
        "name",
        ["e" + "\u0301" * 24_000 + "\u0316" * 24_000, "\ufdfa" * 30_000, "anna" * 25_000],
        ids=["marks", "letters that grow", "long"],
    )
    def test_a_name_longer_than_any_is_refused_before_it_is_normalised(
        self, api, rates, monkeypatch, name
    ):
        """Normalising runs of combining marks is quadratic: a hundred kilobytes took seconds."""
        rates(obtain_account="1/min")
        normalised = []
        normalize = unicodedata.normalize

        def watched(form, text):
            normalised.append(text)
            return normalize(form, text)

        monkeypatch.setattr(unicodedata, "normalize", watched)
        for _ in range(3):
            response = sign_in(api, name)
            assert response.status_code == 400
            assert "username" in response.json()
        assert max(map(len, normalised), default=0) <= USERNAME_LENGTH

    def test_one_network_of_ipv6_addresses_is_one_address(self, api, rates):
        rates(obtain_address="1/min")
        sign_in(api, "a", REMOTE_ADDR="2001:db8:1:2::1")
        assert sign_in(api, "b", REMOTE_ADDR="2001:db8:1:2:ffff::9").status_code == 429
        assert sign_in(api, "c", REMOTE_ADDR="2001:db8:1:3::1").status_code == 401

    def test_an_ipv4_address_is_the_same_in_ipv6_clothes(self, api, rates):
        rates(obtain_address="1/min")
        sign_in(api, "a", REMOTE_ADDR="192.0.2.1")
        assert sign_in(api, "b", REMOTE_ADDR="::ffff:192.0.2.1").status_code == 429
        assert sign_in(api, "c", REMOTE_ADDR="::ffff:192.0.2.2").status_code == 401

    def test_a_forged_forwarding_header_buys_no_further_try(self, api, rates):
        rates(obtain_address="1/min")
        sign_in(api, "a", HTTP_X_FORWARDED_FOR="192.0.2.1")
        assert sign_in(api, "b", HTTP_X_FORWARDED_FOR="192.0.2.2").status_code == 429

    def test_behind_a_trusted_proxy_the_client_counts_and_not_the_proxy(self, api, rates, settings):
        rates(obtain_address="1/min")
        settings.TOKEN_LIFECYCLE = {**settings.TOKEN_LIFECYCLE, "TRUSTED_PROXIES": 1}
        sign_in(api, "a", HTTP_X_FORWARDED_FOR="192.0.2.1")
        assert sign_in(api, "b", HTTP_X_FORWARDED_FOR="192.0.2.2").status_code == 401
        assert sign_in(api, "c", HTTP_X_FORWARDED_FOR="192.0.2.1").status_code == 429

    def test_clients_without_an_address_share_one(self, api, rates):
        rates(obtain_address="1/min")
        sign_in(api, "a", REMOTE_ADDR="")
        assert sign_in(api, "b", REMOTE_ADDR="unix:").status_code == 429

    @pytest.mark.parametrize("username", [["anna"], {"a": 1}, 5, True, None])
    def test_a_name_that_is_no_text_signs_nobody_in(self, api, rates, username):
        rates(obtain_account="1/min")
        UserFactory(username="5")
        for _ in range(3):
            assert sign_in(api, username, PASSWORD).status_code == 400

    @pytest.mark.parametrize("body", ["[]", "null", '"x"', "5"])
    def test_a_body_without_a_name_is_refused_as_before(self, api, rates, body):
        rates(obtain_account="1/min")
        for _ in range(3):
            response = api.post(OBTAIN, body, content_type="application/json")
            assert response.status_code == 400

    def test_the_cache_learns_neither_names_nor_addresses(self):
        key = ObtainAccountThrottle().cache_key("anna \ud800")
        assert key.startswith("throttle_token_lifecycle_obtain_account_")
        assert "anna" not in key
        assert len(key) < 200

    @pytest.mark.parametrize("rate", ["0/min", "0/s"])
    def test_a_rate_of_nothing_lets_nobody_in(self, api, rates, user, rate):
        rates(obtain_account=rate)
        seconds = {"0/min": 60, "0/s": 1}[rate]
        assert_throttled(sign_in(api, user.get_username(), PASSWORD), seconds=seconds)

    def test_a_try_that_was_refused_does_not_put_off_the_next(self, api, rates, clock):
        rates(obtain_account="1/min")
        sign_in(api)
        clock.shift(timedelta(seconds=59))
        assert_throttled(sign_in(api), seconds=1)
        clock.shift(timedelta(seconds=1))
        assert sign_in(api).status_code == 401

    def test_a_clock_that_is_set_back_blocks_nobody_for_longer_than_it_was_set_back(
        self, api, rates, clock
    ):
        rates(obtain_account="1/min")
        sign_in(api)
        clock.shift(timedelta(seconds=-30))
        assert_throttled(sign_in(api), seconds=90)
        clock.shift(timedelta(seconds=90))
        assert sign_in(api).status_code == 401


@pytest.fixture
def collation(request):
    """Compares the names of users by this collation of MariaDB, and by the old one afterwards."""
    users = get_user_model()
    column = users._meta.get_field("username").column

    def compare_by(name):
        with connection.cursor() as cursor:
            cursor.execute(
                f"ALTER TABLE {users._meta.db_table} MODIFY {column} VARCHAR(150)"
                f" CHARACTER SET utf8mb4 COLLATE {name} NOT NULL"
            )

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT collation_name FROM information_schema.columns WHERE table_schema = DATABASE()"
            " AND table_name = %s AND column_name = %s",
            [users._meta.db_table, column],
        )
        (usual,) = cursor.fetchone()
    compare_by(request.param)
    yield request.param
    compare_by(usual)


#: Some of what different collations take for "salim1".
SPELLINGS = ["\xdfalim1", "\u017falim1", "sa\u0142im1", "sal\u0131m1", "salim\u0661", "salim\u2460"]
SPELLINGS += ["s\xe1lim1", "SALIM1", "salim\xb9", "salim1\u200d", "sa\u1e3b\u0131m\u0967"]


if connection.vendor == "mysql":

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("collation", ["utf8mb4_general_ci", "uca1400_ai_ci"], indirect=True)
    def test_no_collation_gives_a_further_try_for_another_spelling(api, rates, collation):
        UserFactory(username="salim1")
        found = [s for s in SPELLINGS if get_user_model().objects.filter(username=s).exists()]
        beyond = {"utf8mb4_general_ci": "\xdfalim1", "uca1400_ai_ci": "salim\u0661"}[collation]
        assert beyond in found
        rates(obtain_account="1/min")
        assert sign_in(api, "salim1").status_code == 401
        answers = [sign_in(api, spelling, PASSWORD).status_code for spelling in found]
        assert answers == [429] * len(found)


LOCAL = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "throttles"}


class HesitantCache(LocMemCache):
    """A cache that is far away: what it answers is old when it arrives."""

    def _hesitate(self, answer):
        time.sleep(0.02)
        return answer

    def get(self, *args, **kwargs):
        return self._hesitate(super().get(*args, **kwargs))

    def add(self, *args, **kwargs):
        return self._hesitate(super().add(*args, **kwargs))


class TestAtTheSameMoment:
    """A rate that parallel requests get around is none."""

    @pytest.mark.parametrize("limit", [1, 3, 8])
    def test_no_more_get_in_than_the_rate_says(self, rates, settings, limit):
        rates(obtain_account=f"{limit}/min")
        settings.CACHES = {"default": {"BACKEND": f"{__name__}.HesitantCache"}}
        caches["default"].clear()
        request = SimpleNamespace(data={"username": "anna"})

        def knock(_):
            return ObtainAccountThrottle().allow_request(request, None)

        with ThreadPoolExecutor(12) as crowd:
            assert sum(crowd.map(knock, range(12))) == limit

    def test_whoever_was_a_moment_late_is_told_when_to_come_back(self, api, rates, monkeypatch):
        """Both saw a free place; the other one was faster."""
        rates(obtain_account="1/min")
        add = GuardedCache.add

        def overtaken(self, key, value, timeout):
            add(self, key, value, timeout)
            return add(self, key, value, timeout)

        monkeypatch.setattr(GuardedCache, "add", overtaken)
        assert_throttled(sign_in(api), seconds=60)

    def test_where_there_is_room_the_cache_is_asked_once(self, rates, monkeypatch):
        rates(obtain_account="100/min")
        asked = []
        monkeypatch.setattr(GuardedCache, "add", lambda self, *args: asked.append(args) or True)
        monkeypatch.setattr(GuardedCache, "get_many", lambda self, keys: asked.append(keys))
        request = SimpleNamespace(data={"username": "anna"})
        assert ObtainAccountThrottle().allow_request(request, None)
        assert len(asked) == 1

    def test_of_a_high_rate_not_every_place_is_looked_at(self, rates, settings, monkeypatch):
        rates(obtain_account="5000/hour")
        request = SimpleNamespace(data={"username": "anna"})
        settings.CACHES = {"default": {**LOCAL, "OPTIONS": {"MAX_ENTRIES": 10_000}}}
        key = ObtainAccountThrottle().get_cache_key(request, None)
        free = set(range(0, 5000, 20))
        until = NOW.timestamp() + 60
        caches["default"].set_many(
            {f"{key}_{n}": until for n in range(5000) if n not in free}, timeout=60
        )
        asked = []
        get_many = GuardedCache.get_many

        def watched(self, keys):
            asked.extend(keys)
            return get_many(self, keys)

        monkeypatch.setattr(GuardedCache, "get_many", watched)
        assert ObtainAccountThrottle().allow_request(request, None)
        assert len(asked) <= 100

    def test_of_a_high_rate_the_last_free_place_is_found(self, rates, settings):
        rates(obtain_account="350/hour")
        request = SimpleNamespace(data={"username": "bert"})
        settings.CACHES = {"default": {**LOCAL, "OPTIONS": {"MAX_ENTRIES": 10_000}}}
        let_in = [ObtainAccountThrottle().allow_request(request, None) for _ in range(352)]
        assert let_in == [True] * 350 + [False] * 2


class TestCachesThatDoNotCount:
    def test_a_dummy_cache_counts_nothing(self, api, rates, settings):
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
        rates(obtain_account="1/min")
        for _ in range(3):
            assert sign_in(api).status_code == 401

    @pytest.mark.parametrize("backend", ["db.DatabaseCache", "filebased.FileBasedCache"])
    def test_any_other_cache_of_django_counts(self, api, rates, settings, tmp_path, backend):
        location = "throttles" if backend.startswith("db") else str(tmp_path)
        settings.CACHES = {
            "default": {
                "BACKEND": f"django.core.cache.backends.{backend}",
                "LOCATION": location,
            }
        }
        call_command("createcachetable", verbosity=0)
        rates(obtain_account="2/min")
        assert [sign_in(api).status_code for _ in range(4)] == [401, 401, 429, 429]


class Scoped(WhoAmI):
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "uploads"


class OncePerUser(UserRateThrottle):
    rate = "1/min"


class PerUser(WhoAmI):
    throttle_classes = [OncePerUser]


class StatelessPerUser(PerUser):
    authentication_classes = [StatelessSessionTokenAuthentication]


urlpatterns = [
    *usual_urls,
    path("scoped/", Scoped.as_view()),
    path("per-user/", PerUser.as_view()),
    path("stateless/", StatelessPerUser.as_view()),
]


@pytest.mark.urls(__name__)
class TestThrottlesOfTheProject:
    """DRF's own throttles and settings: for the project's views, and none of ours."""

    @pytest.fixture
    def bearer(self, user):
        return {"HTTP_AUTHORIZATION": f"Bearer {lifecycle.start_session(user).access}"}

    @pytest.mark.parametrize("mode", ["database", "memory", "none"])
    @pytest.mark.parametrize("url", ["/per-user/", "/stateless/"])
    def test_a_throttle_by_user_counts_the_user_of_the_token(self, api, bearer, options, mode, url):
        options(REVOCATION_CHECK=mode)
        somebody_else = lifecycle.start_session(UserFactory()).access
        assert api.get(url, **bearer).status_code == 200
        assert api.get(url, **bearer).status_code == 429
        assert api.get(url, HTTP_AUTHORIZATION=f"Bearer {somebody_else}").status_code == 200

    def test_a_scope_of_the_projects_settings_counts(self, api, bearer, monkeypatch):
        monkeypatch.setattr(ScopedRateThrottle, "THROTTLE_RATES", {"uploads": "1/min"})
        assert api.get("/scoped/", **bearer).status_code == 200
        response = api.get("/scoped/", **bearer)
        assert (response.status_code, response["Retry-After"]) == (429, "60")

    def test_the_projects_defaults_are_not_ours(self, api, user, settings, monkeypatch):
        monkeypatch.setattr(AnonRateThrottle, "rate", "1/min", raising=False)
        throttle = "rest_framework.throttling.AnonRateThrottle"
        settings.REST_FRAMEWORK = {
            **settings.REST_FRAMEWORK,
            "DEFAULT_THROTTLE_CLASSES": [throttle],
        }
        for _ in range(3):
            assert sign_in(api, user.get_username(), PASSWORD).status_code == 200


class TestRefresh:
    def test_other_sessions_are_not_concerned(self, api, rates, user):
        rates(refresh_session="1/min")
        first, second = (lifecycle.start_session(user).refresh for _ in range(2))
        assert api.post(REFRESH, {"refresh": first}).status_code == 200
        assert api.post(REFRESH, {"refresh": second}).status_code == 200
        assert_throttled(api.post(REFRESH, {"refresh": first}), seconds=60)

    def test_a_throttled_refresh_leaves_the_token_as_it_was(self, api, rates, user, clock):
        rates(refresh_session="1/min")
        first = lifecycle.start_session(user).refresh
        second = api.post(REFRESH, {"refresh": first}).json()["refresh"]
        before = rows()
        assert_throttled(api.post(REFRESH, {"refresh": second}), seconds=60)
        assert rows() == before
        clock.shift(timedelta(minutes=1))
        assert api.post(REFRESH, {"refresh": second}).status_code == 200

    def test_knowing_the_id_of_a_session_blocks_nobody(self, api, rates, user):
        rates(refresh_session="1/min")
        issued = lifecycle.start_session(user)
        for junk in ("a.b.c", str(issued.session.pk), issued.refresh + "=", issued.access):
            assert api.post(REFRESH, {"refresh": junk}).status_code == 401
        assert api.post(REFRESH, {"refresh": issued.refresh}).status_code == 200


class TestOff:
    @pytest.mark.parametrize("off", [None, dict.fromkeys(["obtain_address", "obtain_account"])])
    def test_none_turns_throttles_off(self, api, settings, off):
        settings.TOKEN_LIFECYCLE = {"THROTTLE_RATES": off}
        for _ in range(40):
            assert sign_in(api).status_code == 401

    def test_a_rate_is_live(self, api, rates):
        rates(obtain_account="1/min")
        sign_in(api)
        assert sign_in(api).status_code == 429
        rates(obtain_account="5/min")
        assert sign_in(api).status_code == 401

    def test_a_throttle_that_is_off_does_not_ask_the_cache(self, api, settings, user):
        settings.CACHES = {"default": {"BACKEND": "tests.test_throttling.BrokenCache"}}
        settings.TOKEN_LIFECYCLE = {"THROTTLE_RATES": None}
        refresh = lifecycle.start_session(user).refresh
        assert sign_in(api).status_code == 401
        assert api.post(REFRESH, {"refresh": refresh}).status_code == 200


class BrokenCache(BaseCache):
    """A cache whose server is gone."""

    error: BaseException = OSError("gone")

    def __init__(self, location, params):
        super().__init__(params)

    def get(self, *args, **kwargs):
        raise self.error

    set = add = get

    def clear(self):
        """So that the suite can tidy up."""


class ReadOnlyCache(LocMemCache):
    """A cache that answers and cannot write: the replica of a failed over server."""

    def add(self, *args, **kwargs):
        raise OneOfMany("READONLY")


class OneOfMany(Exception):
    """What the client library of some backend may raise."""


@pytest.mark.parametrize(
    "error",
    [
        "builtins.OSError",
        "builtins.ConnectionError",
        "builtins.TimeoutError",
        "builtins.EOFError",
        "builtins.ValueError",
        "pickle.UnpicklingError",
        "django.db.OperationalError",
        "redis.exceptions.ConnectionError",
        "redis.exceptions.TimeoutError",
        "redis.exceptions.BusyLoadingError",
        "redis.exceptions.ResponseError",
        "tests.test_throttling.OneOfMany",
    ],
)
@pytest.mark.parametrize("rate", ["obtain_address", "obtain_account", "refresh_session"])
def test_nobody_is_let_in_on_a_guess_while_the_cache_is_broken(
    api, rates, settings, user, monkeypatch, error, rate
):
    issued = lifecycle.start_session(user)
    rates(**{rate: "10/min"})
    module, _, name = error.rpartition(".")
    raised = getattr(pytest.importorskip(module, reason=f"needs {module}"), name)
    monkeypatch.setattr(BrokenCache, "error", raised("gone"))
    settings.CACHES = {"default": {"BACKEND": "tests.test_throttling.BrokenCache"}}
    before = rows()
    if rate == "refresh_session":
        response = api.post(REFRESH, {"refresh": issued.refresh})
    else:
        response = sign_in(api, user.get_username(), PASSWORD)
    assert response.status_code == 503
    assert response.json()["code"] == "unavailable"
    assert response["Retry-After"] == "1"
    assert rows() == before


def test_a_cache_that_cannot_count_lets_nobody_in(api, rates, settings, user):
    rates(obtain_account="10/min")
    settings.CACHES = {"default": {"BACKEND": "tests.test_throttling.ReadOnlyCache"}}
    assert sign_in(api, user.get_username(), PASSWORD).status_code == 503


def test_the_failure_is_logged_without_a_name(api, rates, settings, caplog):
    rates(obtain_account="10/min")
    settings.CACHES = {"default": {"BACKEND": "tests.test_throttling.BrokenCache"}}
    sign_in(api, "anna")
    (record,) = [record for record in caplog.records if record.name == "token_lifecycle"]
    assert record.levelname == "ERROR"
    assert record.exc_info
    assert "anna" not in caplog.text


class TestMistakesAreNotHidden:
    def test_a_cache_that_is_not_configured_is_a_mistake_and_no_outage(self, api, rates, settings):
        rates(obtain_account="10/min")
        settings.CACHES = {"default": {"BACKEND": "tests.nothing.Cache"}}
        with pytest.raises(ImproperlyConfigured):
            sign_in(api)

    def test_a_mistake_in_a_throttle_is_a_mistake(self, api, rates, monkeypatch):
        rates(obtain_account="10/min")
        monkeypatch.setattr(ObtainAccountThrottle, "get_cache_key", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sign_in(api)

    def test_a_rate_nobody_can_read_is_a_mistake(self, rates, user):
        rates(refresh_session="often")
        with pytest.raises(ValueError, match="unpack"):
            RefreshSessionThrottle(user.pk)


def test_the_caches_of_this_suite_are_whole_again_after_the_broken_ones():
    caches["default"].set("x", 1)
    assert caches["default"].get("x") == 1
