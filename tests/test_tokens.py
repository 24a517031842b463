"""The codec: what it signs, and that nothing else gets past it."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
import pytest
import time_machine
from django.conf import settings
from django.core import signing
from django.core.exceptions import ImproperlyConfigured
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.forging import HEADER, claims_of, decoded, forge, reforged, segment
from token_lifecycle import tokens
from token_lifecycle.claims import MAX_GENERATION, MAX_USER_ID_LENGTH
from token_lifecycle.exceptions import TokenExpired, TokenInvalid, TokenRefused
from token_lifecycle.keys import key_ring

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
SESSION = UUID("0197d0a0-5f6e-7cc3-8a3b-0123456789ab")
OTHER = UUID("0197d0a0-5f6e-7cc3-8a3b-ba9876543210")
SECRET = "abcdefghijklmnopqrstuv"
KEYS = "k" * 20 + "0123456789abcdefghijklmnopqrstuvwxyz" * 3


@pytest.fixture(autouse=True)
def _frozen():
    with time_machine.travel(NOW, tick=False):
        yield


def access(**changes):
    values = {
        "session_id": SESSION,
        "user_id": "7",
        "auth_time": NOW - timedelta(hours=1),
        "issued_at": NOW,
        "expires_at": NOW + timedelta(minutes=15),
    }
    return tokens.mint_access(**{**values, **changes})


def refresh(**changes):
    values = {
        "session_id": SESSION,
        "user_id": "7",
        "generation": 3,
        "secret": SECRET,
        "issued_at": NOW,
        "expires_at": NOW + timedelta(days=14),
    }
    return tokens.mint_refresh(**{**values, **changes})


def parse_refresh(token):
    return tokens.parse_refresh(token, now=NOW)


def refused(parse, token):
    """The class of the refusal, None where there is none."""
    try:
        parse(token)
    except TokenRefused as error:
        return type(error)
    return None


PARSERS = {
    "access": (access, tokens.parse_access),
    "refresh": (refresh, parse_refresh),
}
both = pytest.mark.parametrize(("mint", "parse"), PARSERS.values(), ids=PARSERS)


class TestWhatIsSigned:
    def test_an_access_token_holds_these_claims_and_no_personal_data(self):
        claims = claims_of(access())
        assert len(claims.pop("jti")) == 22  # 128 bits
        assert claims == {
            "token_type": "access",
            "exp": int(NOW.timestamp()) + 900,
            "iat": int(NOW.timestamp()),
            "sid": str(SESSION),
            "auth_time": int(NOW.timestamp()) - 3600,
            "user_id": "7",
        }

    def test_a_refresh_token_holds_these_claims_and_no_personal_data(self):
        claims = claims_of(refresh())
        assert len(claims.pop("jti")) == 22
        assert claims == {
            "token_type": "session_refresh",
            "exp": int((NOW + timedelta(days=14)).timestamp()),
            "iat": int(NOW.timestamp()),
            "sid": str(SESSION),
            "gen": 3,
            "sec": SECRET,
            "user_id": "7",
        }

    def test_the_header_says_jwt_and_nothing_else(self):
        assert json.loads(decoded(access().split(".")[0])) == HEADER

    def test_the_key_is_looked_at_once_and_not_for_each_token(self, monkeypatch):
        refresh()
        monkeypatch.setattr(jwt.algorithms.HMACAlgorithm, "prepare_key", None)
        assert refresh(generation=4) != refresh(generation=5)

    def test_access_tokens_of_one_moment_differ(self):
        assert access() != access()

    def test_the_refresh_token_of_a_generation_is_the_same_to_the_letter(self):
        assert refresh() == refresh()

    @pytest.mark.parametrize(
        "other",
        [{"generation": 4}, {"secret": "A" * 22}, {"session_id": OTHER}],
        ids=str,
    )
    def test_refresh_tokens_of_other_generations_secrets_and_sessions_have_other_ids(self, other):
        assert claims_of(refresh(**other))["jti"] != claims_of(refresh())["jti"]

    def test_claims_of_the_project_are_added_but_replace_none_of_ours(self):
        claims = claims_of(access(extra={"role": "nurse", "sid": "x", "user_id": "1"}))
        assert (claims["role"], claims["sid"], claims["user_id"]) == ("nurse", str(SESSION), "7")

    def test_what_was_signed_is_read_back(self):
        claims = tokens.parse_access(access(extra={"role": "nurse"}))
        assert claims.session_id == SESSION
        assert claims.user_id == "7"
        assert claims.expires_at == NOW + timedelta(minutes=15)
        assert claims.auth_time == NOW - timedelta(hours=1)
        assert claims.claims["role"] == "nurse"
        token = parse_refresh(refresh())
        assert token.session_id == SESSION
        assert token.user_id == "7"
        assert token.generation == 3
        assert token.secret == SECRET
        assert token.expires_at == NOW + timedelta(days=14)
        assert not token.expired

    def test_the_secret_is_not_in_the_repr(self):
        assert SECRET not in repr(parse_refresh(refresh()))


class TestSecrets:
    def test_a_secret_has_128_bits_and_is_new_every_time(self):
        secrets = {tokens.new_secret() for _ in range(100)}
        assert len(secrets) == 100
        assert all(len(decoded(secret)) == 16 for secret in secrets)

    def test_a_secret_matches_its_own_digest_only(self):
        assert tokens.secret_matches(SECRET, tokens.digest(SECRET))
        assert not tokens.secret_matches("A" * 22, tokens.digest(SECRET))

    def test_the_digest_is_sha_256(self):
        assert len(tokens.digest(SECRET)) == 64
        assert SECRET not in tokens.digest(SECRET)


class TestTime:
    def test_an_access_token_is_good_until_the_second_before_its_end(self):
        token = access(expires_at=NOW + timedelta(seconds=1))
        assert tokens.parse_access(token)

    @pytest.mark.parametrize("seconds", [0, -1, -3600])
    def test_an_access_token_is_expired_from_its_end_on(self, seconds):
        token = access(expires_at=NOW + timedelta(seconds=seconds))
        assert refused(tokens.parse_access, token) is TokenExpired

    def test_an_expired_access_token_can_still_be_read_where_its_age_does_not_matter(self):
        token = access(expires_at=NOW - timedelta(days=3000))
        assert tokens.parse_access(token, any_age=True).session_id == SESSION

    @pytest.mark.parametrize(("seconds", "expired"), [(1, False), (0, True), (-1, True)])
    def test_an_expired_refresh_token_is_read_and_marked(self, seconds, expired):
        token = refresh(expires_at=NOW + timedelta(seconds=seconds))
        assert parse_refresh(token).expired is expired

    def test_the_passed_clock_counts_for_refresh_tokens(self):
        later = NOW + timedelta(days=14)
        assert tokens.parse_refresh(refresh(), now=later).expired

    @pytest.mark.parametrize(
        ("mint", "parse", "claim"),
        [
            (access, tokens.parse_access, "iat"),
            (access, tokens.parse_access, "nbf"),
            (refresh, parse_refresh, "nbf"),
        ],
    )
    def test_a_token_from_the_future_is_refused(self, mint, parse, claim):
        soon = int(NOW.timestamp()) + 1
        assert issubclass(refused(parse, reforged(mint(), **{claim: soon})), TokenInvalid)

    def test_a_refresh_token_of_a_clock_that_was_fast_is_good_for_the_row_tells_which_is_newest(
        self,
    ):
        token = refresh(issued_at=NOW + timedelta(hours=1))
        assert parse_refresh(token).generation == 3

    def test_a_refresh_token_issued_in_the_future_and_after_its_own_end_is_refused(self):
        end = NOW + timedelta(days=14)
        assert parse_refresh(refresh(issued_at=end, expires_at=end))
        later = refresh(issued_at=end + timedelta(seconds=1), expires_at=end)
        assert issubclass(refused(parse_refresh, later), TokenInvalid)

    @both
    def test_a_not_before_that_has_passed_is_accepted(self, mint, parse):
        assert parse(reforged(mint(), nbf=int(NOW.timestamp())))

    @both
    @pytest.mark.parametrize("leeway", [30, timedelta(seconds=30)], ids=["number", "timedelta"])
    def test_the_leeway_forgives_that_much_and_no_more(self, settings, mint, parse, leeway):
        settings.SIMPLE_JWT = {"LEEWAY": leeway}
        now = int(NOW.timestamp())
        for claim in ("iat", "nbf") if mint is access else ("nbf",):
            assert refused(parse, reforged(mint(), **{claim: now + 30})) is None
            assert issubclass(refused(parse, reforged(mint(), **{claim: now + 31})), TokenInvalid)

    def test_the_leeway_keeps_expired_tokens_alive_that_much_longer(self, settings):
        settings.SIMPLE_JWT = {"LEEWAY": 30}
        for seconds, expired in ((-29, False), (-30, True)):
            end = NOW + timedelta(seconds=seconds)
            assert parse_refresh(refresh(expires_at=end)).expired is expired
            expected = TokenExpired if expired else None
            assert refused(tokens.parse_access, access(expires_at=end)) is expected


ALL = "access", "refresh"
INT_LIKE = ["1", 1.5, True, None, [], {}, "", 10**30, -1, float("nan"), float("inf")]
TEXT_LIKE = [1, 1.5, True, None, [], {}, "", "a\0b", "\ud800", "x" * 256]
SESSION_LIKE = [
    *TEXT_LIKE,
    str(SESSION).upper(),
    SESSION.hex,
    f"{{{SESSION}}}",
    f"urn:uuid:{SESSION}",
    f" {SESSION}",
    f"{SESSION}\n",
    str(SESSION).replace("0", "\N{ARABIC-INDIC DIGIT ZERO}"),
    "0",
]
WRONG_CLAIMS = [
    *((kind, claim, value) for kind in ALL for claim in ("exp", "iat") for value in INT_LIKE),
    *((kind, "nbf", value) for kind in ALL for value in INT_LIKE),
    *((kind, "jti", value) for kind in ALL for value in TEXT_LIKE),
    *((kind, "user_id", value) for kind in ALL for value in TEXT_LIKE),
    *((kind, "sid", value) for kind in ALL for value in SESSION_LIKE),
    *(("access", "auth_time", value) for value in INT_LIKE),
    *(("refresh", "gen", value) for value in (*INT_LIKE, 0, 2**31 - 1, 2**31, 2**63)),
    *(("refresh", "sec", value) for value in (*TEXT_LIKE, "a" * 21, "a" * 23, "é" * 22, "+" * 22)),
    ("access", "token_type", "session_refresh"),
    ("refresh", "token_type", "refresh"),
    ("refresh", "token_type", "access"),
    *((kind, "token_type", value) for kind in ALL for value in (*TEXT_LIKE, "sliding", "Access")),
    # Another service that signs with this key.
    *((kind, "iss", value) for kind in ALL for value in ("https://other.example", "", None, [])),
    *((kind, "aud", value) for kind in ALL for value in ("other", "", None, [], ["a"], {})),
]
NEEDED_CLAIMS = [
    *((kind, claim) for kind in ALL for claim in ("token_type", "exp", "iat", "jti", "user_id")),
    *((kind, "sid") for kind in ALL),
    ("access", "auth_time"),
    ("refresh", "gen"),
    ("refresh", "sec"),
]


class TestStrictness:
    @pytest.mark.parametrize(("kind", "claim", "value"), WRONG_CLAIMS, ids=repr)
    def test_a_correctly_signed_token_with_an_odd_claim_is_refused(self, kind, claim, value):
        mint, parse = PARSERS[kind]
        assert refused(parse, reforged(mint(), **{claim: value})) in (TokenInvalid, TokenExpired)

    @pytest.mark.parametrize(("kind", "claim"), NEEDED_CLAIMS)
    def test_no_claim_may_be_missing(self, kind, claim):
        mint, parse = PARSERS[kind]
        assert refused(parse, reforged(mint(), claim)) is TokenInvalid

    @pytest.mark.parametrize("value", [1, 2**31 - 2])
    def test_a_generation_within_the_bounds_of_its_column_is_read(self, value):
        assert parse_refresh(reforged(refresh(), gen=value)).generation == value

    @both
    @pytest.mark.parametrize("text", [None, 1, b"x", [], {}, 1.5], ids=repr)
    def test_what_is_no_text_is_refused(self, mint, parse, text):
        assert refused(parse, text) is TokenInvalid

    @both
    def test_a_token_that_is_too_long_is_refused_unread(self, mint, parse):
        assert refused(parse, reforged(mint(), padding="x" * 9000)) is TokenInvalid

    @both
    @pytest.mark.parametrize(
        "change",
        [
            lambda t: t + "=",
            lambda t: t + " ",
            lambda t: "\n" + t,
            lambda t: t + ".",
            lambda t: t.replace(".", ". "),
            lambda t: f'"{t}"',
            lambda t: json.dumps({"token": t}),
            lambda t: t.rpartition(".")[0],
            lambda t: t.rpartition(".")[0] + ".",
            lambda t: t + ".a.b",
            lambda t: t[:-1] + chr(ord(t[-1]) + 0x10000),
            lambda t: t.replace(".", "。"),
            lambda t: "",
            lambda t: "..",
        ],
    )
    def test_every_other_spelling_of_a_good_token_is_refused(self, mint, parse, change):
        assert refused(parse, change(mint())) is TokenInvalid

    @both
    def test_a_changed_byte_anywhere_is_refused(self, mint, parse):
        token = mint()
        for position, character in enumerate(token):
            if character != "." and position != len(token) - 1:
                changed = "B" if character == "A" else "A"
                broken = token[:position] + changed + token[position + 1 :]
                assert refused(parse, broken) is TokenInvalid, position

    @both
    @pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE"])
    @pytest.mark.parametrize("signature", ["", ".", "AA"])
    def test_an_unsigned_token_is_refused(self, mint, parse, alg, signature):
        unsigned = f"{segment({'alg': alg, 'typ': 'JWT'})}.{mint().split('.')[1]}"
        assert refused(parse, f"{unsigned}.{signature}") is TokenInvalid

    @both
    @pytest.mark.parametrize(("alg", "digest"), [("HS384", "sha384"), ("HS512", "sha512")])
    def test_only_the_configured_algorithm_counts(self, mint, parse, alg, digest):
        claims, header = claims_of(mint()), {"alg": alg, "typ": "JWT"}
        assert refused(parse, forge(claims, header=header, digest=digest)) is TokenInvalid

    @both
    @pytest.mark.parametrize(
        "key", ["", "another-key-that-is-long-enough-for-any-hmac", b"\0" * 64]
    )
    def test_another_key_is_refused(self, mint, parse, key):
        assert refused(parse, forge(claims_of(mint()), key=key)) is TokenInvalid

    @both
    def test_the_signature_of_another_token_is_refused(self, mint, parse):
        other = mint(user_id="8").rpartition(".")[2]
        assert refused(parse, f"{mint().rpartition('.')[0]}.{other}") is TokenInvalid

    @both
    @pytest.mark.parametrize(
        "fields",
        [
            {"crit": ["exp"], "exp": 1},
            {"crit": ["x"], "x": 1},
            {"crit": []},
            {"b64": False, "crit": ["b64"]},
            {"zip": "DEF"},
            {"cty": "JWT"},
            {"jku": "http://127.0.0.1:9/keys"},
            {"x5u": "http://127.0.0.1:9/chain"},
            {"jwk": {"kty": "oct", "k": "AAAA"}},
            {"x5c": ["AAAA"]},
            {"enc": "A256GCM"},
            {"nan": float("nan")},
            {"kid": 5},
            {"kid": None},
            {"kid": ["a"]},
            {"typ": "at+jwt"},
            {"typ": "logout+jwt"},
            {"typ": "dpop+jwt"},
            {"typ": "jwt"},
            {"typ": 5},
            {"typ": None},
            {"typ": ["JWT"]},
        ],
        ids=str,
    )
    def test_a_header_that_asks_for_more_than_a_jwt_is_refused(self, mint, parse, fields):
        assert refused(parse, reforged(mint(), header={**HEADER, **fields})) is TokenInvalid

    @both
    @pytest.mark.parametrize("kid", ["../../dev/null", "/etc/passwd", "' OR 1=1--", "|id", "\0"])
    def test_a_key_id_is_data_and_ignored(self, mint, parse, kid):
        assert parse(reforged(mint(), header={**HEADER, "kid": kid}))

    def test_a_header_that_cannot_be_read_a_second_time_is_refused(self):
        assert not tokens._is_plain_header("ey")

    @both
    def test_a_token_without_typ_is_a_jwt(self, mint, parse):
        assert parse(reforged(mint(), header={"alg": "HS256"}))

    @both
    @pytest.mark.parametrize(
        "header",
        [
            "",
            "null",
            "[]",
            '"HS256"',
            "5",
            "{}",
            '{"typ":"JWT"}',
            '{"alg":5,"typ":"JWT"}',
            '{"alg":null,"typ":"JWT"}',
            '{"alg":["HS256"],"typ":"JWT"}',
            '{"alg":"HS256","typ":"JWT"',
            b'\xff{"alg":"HS256"}',
            b'{"alg":"HS256","typ":"\xff"}',
            b"\xef\xbb\xbf" + b'{"alg":"HS256","typ":"JWT"}',
            '{"alg":"HS256","typ":"JWT"}'.encode("utf-16"),
            '{"alg":"HS256","typ":"JWT"}'.encode("utf-16-le"),
            '{"alg":"HS256","x":' + "[" * 3000 + "]" * 3000 + "}",
            '{"alg":"HS256","x":' + "1" * 5000 + "}",
        ],
        ids=range(18),
    )
    def test_a_header_that_is_no_json_object_in_utf_8_is_refused(self, mint, parse, header):
        assert refused(parse, forge(claims_of(mint()), header=header)) is TokenInvalid

    @both
    @pytest.mark.parametrize(
        "encode",
        [
            lambda text: text.encode("utf-16"),
            lambda text: text.encode("utf-16-le"),
            lambda text: text.encode("utf-16-be"),
            lambda text: text.encode("utf-32"),
            lambda text: text.encode("utf-32-le"),
            lambda text: b"\xef\xbb\xbf" + text.encode(),
            lambda text: text.replace("}", ',"x":"\xe9"}').encode("latin-1"),
            lambda text: f"[{text}]",
            lambda text: json.dumps(text),
            lambda text: text.replace("}", ',"x":NaN}') + "x",
            lambda text: text.replace("}", ',"x":' + "1" * 5000 + "}"),
            lambda text: "null",
            lambda text: "",
        ],
    )
    def test_a_payload_that_is_no_json_object_in_utf_8_is_refused(self, mint, parse, encode):
        payload = encode(json.dumps(claims_of(mint())))
        assert refused(parse, forge(payload)) is TokenInvalid

    @both
    @pytest.mark.parametrize("depth", [10, 100, 450, 900, 2000])
    def test_a_deeply_nested_claim_is_refused_or_ignored(self, mint, parse, depth):
        claims = json.dumps(claims_of(mint())).replace("}", f',"x":{"[" * depth}{"]" * depth}}}')
        assert refused(parse, forge(claims)) in (None, TokenInvalid)

    @both
    def test_of_two_claims_of_one_name_the_last_one_counts_everywhere(self, mint, parse):
        claims = json.dumps(claims_of(mint()))[1:]
        assert parse(forge('{"exp":1,"token_type":"x","sid":null,' + claims))
        assert refused(parse, forge("{" + claims[:-1] + ',"token_type":"x"}')) is TokenInvalid

    @both
    @pytest.mark.parametrize(
        "make",
        [
            lambda: signing.dumps({"user_id": "7"}),
            lambda: signing.Signer().sign("7"),
            lambda: jwt.encode({"user_id": "7"}, settings.SECRET_KEY),
            lambda: reforged(access(), token_type="email_confirmation"),
            lambda: reforged(access(), token_type="sliding"),
        ],
    )
    def test_other_things_signed_with_the_same_key_are_refused(self, mint, parse, make):
        assert refused(parse, make()) is TokenInvalid

    def test_access_and_refresh_tokens_exclude_each_other(self):
        assert refused(tokens.parse_access, refresh()) is TokenInvalid
        assert refused(parse_refresh, access()) is TokenInvalid


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[])),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
claim_names = st.sampled_from(
    ["exp", "iat", "nbf", "jti", "sid", "gen", "sec", "user_id", "auth_time", "iss", "aud", "sub"]
)
# A shared machine may be slow, and no claim here is about speed.
patient = hypothesis_settings(deadline=None)


class TestAnything:
    """Whatever comes is refused as a token, or is well-formed; nothing else is ever raised."""

    @patient
    @given(text=st.text(st.characters(exclude_categories=[])) | st.binary() | json_values)
    @example(text="ey.ey.ey")
    @example(text="eyJ.eyJ.eyJ")
    def test_arbitrary_text_is_refused(self, text):
        assert refused(tokens.parse_access, text) is TokenInvalid
        assert refused(parse_refresh, text) is TokenInvalid

    @patient
    @given(header=st.text(), payload=st.text(), signature=st.binary())
    def test_arbitrary_segments_are_refused(self, header, payload, signature):
        token = ".".join(map(segment, (header, payload, signature)))
        assert refused(tokens.parse_access, token) is TokenInvalid
        assert refused(parse_refresh, token) is TokenInvalid

    @patient
    @given(changes=st.dictionaries(claim_names, json_values, max_size=4))
    def test_an_access_token_with_arbitrary_signed_claims_is_refused_or_well_formed(self, changes):
        try:
            claims = tokens.parse_access(reforged(access(), **changes))
        except (TokenInvalid, TokenExpired):
            return
        assert isinstance(claims.session_id, UUID)
        assert 0 < len(claims.user_id) <= MAX_USER_ID_LENGTH
        assert claims.expires_at > NOW
        assert claims.auth_time.tzinfo is UTC

    @patient
    @given(changes=st.dictionaries(claim_names, json_values, max_size=4))
    def test_a_refresh_token_with_arbitrary_signed_claims_is_refused_or_well_formed(self, changes):
        try:
            token = parse_refresh(reforged(refresh(), **changes))
        except TokenInvalid:
            return
        assert isinstance(token.session_id, UUID)
        assert 0 < len(token.user_id) <= MAX_USER_ID_LENGTH
        assert 1 <= token.generation <= MAX_GENERATION
        assert len(token.secret) == 22
        assert token.expired is (token.expires_at <= NOW)

    @patient
    @given(fields=st.dictionaries(st.sampled_from(["alg", "typ", "kid", "crit", "x"]), json_values))
    def test_a_header_with_arbitrary_fields_is_refused_or_harmless(self, fields):
        token = reforged(access(), header={**HEADER, **fields})
        if refused(tokens.parse_access, token) is None:
            assert fields.get("typ", "JWT") == "JWT"
            assert fields.get("alg", "HS256") == "HS256"
            assert not fields.keys() - {"alg", "typ", "kid"}

    @patient
    @given(text=st.text(st.characters(exclude_categories=[])))
    @example(text=str(SESSION))
    @example(text=str(SESSION).upper())
    def test_a_uuid_has_one_spelling(self, text):
        value = tokens.canonical_uuid(text)
        assert value is None or str(value) == text


class TestSettings:
    """``SIMPLE_JWT`` is read when a token is made or read, not when the project is imported."""

    @both
    def test_the_signing_key_is_live(self, settings, mint, parse):
        before = mint()
        settings.SIMPLE_JWT = {"SIGNING_KEY": KEYS}
        assert refused(parse, before) is TokenInvalid
        assert parse(mint())
        settings.SIMPLE_JWT = {}
        assert parse(before)

    @both
    def test_without_a_signing_key_the_secret_key_signs(self, settings, mint, parse):
        before = mint()
        settings.SECRET_KEY = KEYS
        assert refused(parse, before) is TokenInvalid
        assert parse(mint())

    @both
    def test_the_algorithm_is_live(self, settings, mint, parse):
        before = mint()
        settings.SIMPLE_JWT = {"ALGORITHM": "HS512"}
        assert jwt.get_unverified_header(mint())["alg"] == "HS512"
        assert refused(parse, before) is TokenInvalid
        assert parse(mint())

    @both
    @pytest.mark.parametrize("issuer", ["https://id.example"])
    def test_a_configured_issuer_is_written_and_demanded_to_the_letter(
        self, settings, mint, parse, issuer
    ):
        without = mint()
        settings.SIMPLE_JWT = {"ISSUER": issuer}
        assert claims_of(mint())["iss"] == issuer
        assert parse(mint())
        assert refused(parse, without) is TokenInvalid
        for other in (issuer + "/", issuer[:-1], issuer.upper(), [issuer], None, {}, ""):
            assert refused(parse, reforged(mint(), iss=other)) is TokenInvalid

    @both
    def test_a_configured_audience_is_written_and_demanded(self, settings, mint, parse):
        without = mint()
        settings.SIMPLE_JWT = {"AUDIENCE": "shop"}
        assert claims_of(mint())["aud"] == "shop"
        assert parse(mint())
        assert refused(parse, without) is TokenInvalid
        for other in ("shops", "sho", "SHOP", [], ["other"], {}, {"shop": 1}, None, "", 5):
            assert refused(parse, reforged(mint(), aud=other)) is TokenInvalid
        assert parse(reforged(mint(), aud=["other", "shop"]))  # RFC 7519 §4.1.3

    @both
    @pytest.mark.parametrize("kind", [list, tuple])
    def test_several_audiences_may_be_configured(self, settings, mint, parse, kind):
        settings.SIMPLE_JWT = {"AUDIENCE": kind(["shop", "admin"])}
        assert claims_of(mint())["aud"] == ["shop", "admin"]
        assert parse(mint())
        assert parse(reforged(mint(), aud="admin"))
        assert refused(parse, reforged(mint(), aud="other")) is TokenInvalid

    @both
    def test_the_names_of_claims_are_live(self, settings, mint, parse):
        before = mint()
        settings.SIMPLE_JWT = {
            "USER_ID_CLAIM": "who",
            "TOKEN_TYPE_CLAIM": "kind",
            "JTI_CLAIM": "nonce",
        }
        claims = claims_of(mint())
        assert claims.keys() >= {"who", "kind", "nonce"}
        assert not claims.keys() & {"user_id", "token_type", "jti"}
        assert parse(mint()).user_id == "7"
        assert refused(parse, before) is TokenInvalid

    @both
    def test_a_claim_name_that_is_switched_off_falls_back_to_the_standard_one(
        self, settings, mint, parse
    ):
        settings.SIMPLE_JWT = {"TOKEN_TYPE_CLAIM": None, "JTI_CLAIM": None}
        assert claims_of(mint()).keys() >= {"token_type", "jti"}
        assert parse(mint())

    def test_the_user_id_field_is_live(self, settings):
        class Person:
            pk = 7
            slug = "anna"

        assert tokens.user_id_of(Person()) == "7"
        settings.SIMPLE_JWT = {"USER_ID_FIELD": "slug"}
        assert tokens.user_id_of(Person()) == "anna"

    @pytest.mark.parametrize(
        "configured",
        [
            {},
            {"ISSUER": "https://id.example", "AUDIENCE": "shop"},
            {"AUDIENCE": ["shop", "admin"], "ALGORITHM": "HS512"},
            {"JSON_ENCODER": "django.core.serializers.json.DjangoJSONEncoder"},
        ],
        ids=str,
    )
    def test_a_token_is_written_as_simplejwt_writes_it(self, settings, configured):
        settings.SIMPLE_JWT = configured
        claims = {"exp": 1893500000, "name": "Zoë \ud83d\ude00 </>", "half": 0.5, "list": [1, None]}
        key = key_ring().signing
        assert key.signer.sign(claims) == key.backend.encode(claims)

    def test_the_signing_key_is_not_in_the_repr(self):
        assert settings.SECRET_KEY not in repr(
            [key_ring(), key_ring().signing, key_ring().signing.signer]
        )

    @pytest.mark.parametrize("as_path", [True, False])
    def test_the_json_encoder_is_used(self, settings, as_path):
        path = "django.core.serializers.json.DjangoJSONEncoder"
        encoder = path if as_path else __import__("django.core.serializers.json", fromlist=["x"])
        settings.SIMPLE_JWT = {"JSON_ENCODER": path if as_path else encoder.DjangoJSONEncoder}
        extra = {"born": datetime(2000, 1, 1)}
        tokens.check_extra_claims(extra)
        assert claims_of(access(extra=extra))["born"] == "2000-01-01T00:00:00"


class TestExtraClaims:
    def test_claims_of_a_project_pass(self):
        tokens.check_extra_claims({"role": "nurse", "teams": [1, 2], "name": "Žofie"})

    @pytest.mark.parametrize("name", ["sid", "exp", "user_id", "token_type", "jti", "sec", "aud"])
    def test_a_claim_this_app_relies_on_may_not_be_replaced(self, name):
        with pytest.raises(ImproperlyConfigured, match=f"reserved claims: {name}"):
            tokens.check_extra_claims({name: "x", "role": "nurse"})

    def test_renamed_claims_are_reserved_under_their_new_names(self, settings):
        settings.SIMPLE_JWT = {"USER_ID_CLAIM": "who"}
        tokens.check_extra_claims({"user_id": "x"})
        with pytest.raises(ImproperlyConfigured, match="who"):
            tokens.check_extra_claims({"who": "x"})

    @pytest.mark.parametrize("value", [NOW, {1}, b"x", float("nan"), 1j], ids=repr)
    def test_what_json_cannot_say_is_refused_before_anything_is_signed(self, value):
        with pytest.raises(ImproperlyConfigured, match="no JSON"):
            tokens.check_extra_claims({"x": value})

    def test_claims_that_no_header_could_carry_are_refused(self):
        largest = {"x": "a" * (tokens.MAX_EXTRA_LENGTH - len('{"x": ""}'))}
        tokens.check_extra_claims(largest)
        assert tokens.parse_access(access(extra=largest))
        with pytest.raises(ImproperlyConfigured, match="more than"):
            tokens.check_extra_claims({"x": largest["x"] + "a"})


class TestAsymmetricKeys:
    """A public key verifies, and signs nothing (RFC 8725 §2.1)."""

    @pytest.fixture
    def keys(self):
        reason = "needs the package cryptography"
        rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa", reason=reason)
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @pytest.fixture
    def pems(self, keys):
        from cryptography.hazmat.primitives import serialization as s

        private = keys.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
        spki = s.PublicFormat.SubjectPublicKeyInfo
        public = keys.public_key().public_bytes(s.Encoding.PEM, spki)
        der = keys.public_key().public_bytes(s.Encoding.DER, spki)
        return private.decode(), public.decode(), der

    @pytest.fixture
    def rs256(self, settings, pems):
        private, public, _ = pems
        settings.SIMPLE_JWT = {
            "ALGORITHM": "RS256",
            "SIGNING_KEY": private,
            "VERIFYING_KEY": public,
        }

    @both
    @pytest.mark.usefixtures("rs256")
    def test_tokens_are_signed_with_the_private_key_and_read_with_the_public_one(self, mint, parse):
        assert jwt.get_unverified_header(mint())["alg"] == "RS256"
        assert parse(mint())

    @pytest.mark.usefixtures("rs256")
    def test_a_token_is_written_as_simplejwt_writes_it(self):
        key = key_ring().signing
        assert key.signer.sign({"exp": 1}) == key.backend.encode({"exp": 1})

    @pytest.mark.usefixtures("rs256")
    def test_the_refresh_token_of_a_generation_is_the_same_with_rsa_too(self):
        assert refresh() == refresh()

    @both
    @pytest.mark.usefixtures("rs256")
    def test_the_public_key_is_no_hmac_secret(self, mint, parse, keys, pems):
        _, public, der = pems
        jwk = json.dumps(jwt.algorithms.RSAAlgorithm.to_jwk(keys.public_key(), as_dict=True))
        claims = claims_of(mint())
        for key in (public, public.rstrip(), public + "\n", public.replace("\n", ""), der, jwk):
            for alg, digest in (("HS256", "sha256"), ("HS512", "sha512"), ("RS256", "sha256")):
                forged = forge(claims, key=key, header={"alg": alg, "typ": "JWT"}, digest=digest)
                assert refused(parse, forged) is TokenInvalid

    @both
    @pytest.mark.usefixtures("rs256")
    def test_a_key_inside_the_header_is_not_believed(self, mint, parse):
        from cryptography.hazmat.primitives.asymmetric import rsa

        attacker = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(attacker.public_key(), as_dict=True)
        for headers in ({}, {"jwk": jwk}, {"jku": "http://127.0.0.1:9/"}, {"x5c": ["AAAA"]}):
            forged = jwt.encode(claims_of(mint()), attacker, algorithm="RS256", headers=headers)
            assert refused(parse, forged) is TokenInvalid

    @both
    def test_an_rsa_signature_is_refused_where_hmac_is_configured(self, mint, parse, keys):
        forged = jwt.encode(claims_of(mint()), keys, algorithm="RS256")
        assert refused(parse, forged) is TokenInvalid

    @both
    def test_a_psychic_signature_is_refused(self, settings, mint, parse):
        reason = "needs the package cryptography"
        ec = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ec", reason=reason)
        from cryptography.hazmat.primitives import serialization as s

        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
        spki = s.PublicFormat.SubjectPublicKeyInfo
        settings.SIMPLE_JWT = {
            "ALGORITHM": "ES256",
            "SIGNING_KEY": private.decode(),
            "VERIFYING_KEY": key.public_key().public_bytes(s.Encoding.PEM, spki).decode(),
        }
        signed = mint().rpartition(".")[0]
        assert parse(mint())
        n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        for r, s_ in ((0, 0), (0, 1), (1, 0), (n, n), (n, 0), (1, 1)):
            signature = segment(r.to_bytes(32, "big") + s_.to_bytes(32, "big"))
            assert refused(parse, f"{signed}.{signature}") is TokenInvalid


class TestRemembered:
    """An access token is verified once in a process, and its age looked at each time."""

    @pytest.fixture
    def decoded_by(self, monkeypatch):
        """How often a signature was verified."""
        decode, times = tokens._decode, []

        def counting(*arguments):
            times.append(arguments)
            return decode(*arguments)

        monkeypatch.setattr(tokens, "_decode", counting)
        tokens._remembered_access.cache_clear()
        return times

    def test_a_token_that_comes_again_is_not_verified_again(self, decoded_by):
        token = access()
        assert tokens.parse_access(token) is tokens.parse_access(token)
        assert len(decoded_by) == 1

    def test_a_token_that_is_remembered_expires(self):
        token = access(expires_at=NOW + timedelta(minutes=1))
        assert tokens.parse_access(token)
        with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
            assert refused(tokens.parse_access, token) is TokenExpired

    def test_a_token_that_is_remembered_is_from_the_future_when_the_clock_goes_back(self):
        token = access()
        assert tokens.parse_access(token)
        with time_machine.travel(NOW - timedelta(minutes=1), tick=False):
            assert issubclass(refused(tokens.parse_access, token), TokenInvalid)

    @pytest.mark.parametrize(
        "changed",
        [
            {"SIGNING_KEY": KEYS},
            {"ALGORITHM": "HS512", "SIGNING_KEY": KEYS},
            {"ISSUER": "me"},
            {"AUDIENCE": "you"},
            {"USER_ID_CLAIM": "uid"},
            {"TOKEN_TYPE_CLAIM": "kind"},
            {"JTI_CLAIM": "number"},
        ],
        ids=lambda changed: next(iter(changed)),
    )
    def test_what_is_remembered_counts_for_the_settings_it_was_verified_with(
        self, settings, changed
    ):
        token = access()
        assert tokens.parse_access(token)
        settings.SIMPLE_JWT = changed
        assert refused(tokens.parse_access, token) is TokenInvalid

    def test_what_was_refused_is_not_remembered(self, decoded_by):
        forged = access()[:-4] + "AAAA"
        for _ in range(2):
            assert refused(tokens.parse_access, forged) is TokenInvalid
        assert len(decoded_by) == 2
        assert tokens._remembered_access.cache_info().currsize == 0

    def test_a_refresh_token_is_verified_each_time(self, decoded_by):
        token = refresh()
        assert parse_refresh(token) == parse_refresh(token)
        assert len(decoded_by) == 2

    def test_nobody_can_change_what_others_will_be_given(self):
        claims = tokens.parse_access(access()).claims
        with pytest.raises(TypeError):
            claims["user_id"] = "8"

    def test_what_is_inside_of_a_claim_can_not_be_changed_either(self):
        extra = {"roles": ["staff"], "shop": {"ids": [1, {"a": 2}]}}
        claims = tokens.parse_access(access(extra=extra)).claims
        assert claims["roles"] == ("staff",)
        with pytest.raises(TypeError):
            claims["shop"]["x"] = 1
        with pytest.raises(TypeError):
            claims["shop"]["ids"][1]["a"] = 3
        with pytest.raises(AttributeError):
            claims["shop"]["ids"].append(2)

    @pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
    def test_claims_nested_deeper_than_anybody_meant_are_refused(self, opening, closing):
        payload = json.dumps(claims_of(access()))
        for depth in (200, 450, 900, 1500, 2900):
            nested = opening * depth + "1" + closing * depth
            token = forge(payload[:-1] + ', "x": ' + nested + "}")
            try:
                tokens.parse_access(token)
            except TokenInvalid:
                continue
