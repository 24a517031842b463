"""Tokens that are not honoured: how each is made of a real one, and of somebody else's.

Most are signed with the real key: it may be shared with another service, and what signs is not
always what thinks.
"""

import json

from django.contrib.auth.tokens import default_token_generator
from django.core import signing

from tests.forging import HEADER, claims_of, forge, reforged, segment
from token_lifecycle.testing import UserFactory


def claims(*without, **changes):
    """A maker of tokens: the real one with other claims, signed again."""
    return lambda token, other: reforged(token, *without, **changes)


def header(**fields):
    return lambda token, other: reforged(token, header={**HEADER, **fields})


def text(change):
    return lambda token, other: change(token)


def raw(change):
    """The real claims as text, changed and signed again to the letter."""
    return lambda token, other: forge(change(json.dumps(claims_of(token))))


def unsigned(alg):
    return text(lambda t: f"{segment({'alg': alg, 'typ': 'JWT'})}.{t.split('.')[1]}.")


def with_part(position, change):
    def changed(token):
        parts = token.split(".")
        parts[position] = change(parts[position])
        return ".".join(parts)

    return text(changed)


def flip(part):
    return ("B" if part[5] != "B" else "C").join((part[:5], part[6:]))


def from_other(*names):
    """Claims of somebody else in one's own token."""
    return lambda token, other: reforged(token, **{n: claims_of(other)[n] for n in names})


#: Refused at every door of either kind; what the client is told is "token_invalid".
FORGERIES = {
    # The signature
    "alg none": unsigned("none"),
    "alg None": unsigned("None"),
    "alg NONE": unsigned("NONE"),
    "alg nOnE": unsigned("nOnE"),
    "signature stripped": text(lambda t: t.rpartition(".")[0] + "."),
    "signature of another token": lambda t, o: f"{t.rpartition('.')[0]}.{o.rpartition('.')[2]}",
    "signature changed": with_part(2, flip),
    "header changed": with_part(0, flip),
    "payload changed": with_part(1, flip),
    "payload of another token": lambda t, o: ".".join(
        (t.split(".")[0], o.split(".")[1], t.split(".")[2])
    ),
    "another key": lambda t, o: forge(claims_of(t), key="another key, as long as it has to be"),
    "empty key": lambda t, o: forge(claims_of(t), key=""),
    "another HMAC": lambda t, o: forge(
        claims_of(t), header={"alg": "HS512", "typ": "JWT"}, digest="sha512"
    ),
    "RS256 by name only": header(alg="RS256"),
    "ES256 with zeros": lambda t, o: (
        f"{segment({'alg': 'ES256', 'typ': 'JWT'})}.{t.split('.')[1]}.{segment(bytes(64))}"
    ),
    # The form
    "one part": text(lambda t: t.replace(".", "")),
    "two parts": text(lambda t: t.rpartition(".")[0]),
    "four parts": text(lambda t: t + ".e30"),
    "five parts": text(lambda t: t + ".e30.e30"),
    "dots only": text(lambda t: ".."),
    "padding": text(lambda t: t + "="),
    "padded parts": text(lambda t: t.replace(".", "=.")),
    "space inside": text(lambda t: t.replace(".", " .")),
    "quoted": text(lambda t: f'"{t}"'),
    "percent-encoded": text(lambda t: t.replace(".", "%2E")),
    "with its scheme": text(lambda t: f"Bearer {t}"),
    "upper case": text(str.upper),
    "twice": text(lambda t: f"{t},{t}"),
    "other dots": text(lambda t: t.replace(".", "\N{IDEOGRAPHIC FULL STOP}")),
    "JSON serialization": text(
        lambda t: json.dumps(
            dict(zip(("protected", "payload", "signature"), t.split("."), strict=True))
        )
    ),
    "one megabyte": text(lambda t: t + "A" * 1_000_000),
    "a megabyte of dots": text(lambda t: "." * 1_000_000),
    "a megabyte, signed": lambda t, o: reforged(t, padding="x" * 1_000_000),
    # The header
    "crit unknown": header(crit=["x"], x=1),
    "crit empty": header(crit=[]),
    "b64": header(b64=False, crit=["b64"]),
    "zip": header(zip="DEF"),
    "cty": header(cty="JWT"),
    "jku": header(jku="http://127.0.0.1:9/keys.json"),
    "x5u": header(x5u="http://127.0.0.1:9/chain.pem"),
    "jwk": header(jwk={"kty": "oct", "k": segment(b"key")}),
    "x5c": header(x5c=["MIIB"]),
    "kid number": header(kid=1),
    "kid list": header(kid=["a"]),
    "typ at+jwt": header(typ="at+jwt"),
    "typ logout+jwt": header(typ="logout+jwt"),
    "typ dpop+jwt": header(typ="dpop+jwt"),
    "typ number": header(typ=5),
    "NaN in header": header(x=float("nan")),
    "header a list": lambda t, o: forge(claims_of(t), header=[HEADER]),
    "header a text": lambda t, o: forge(claims_of(t), header='"HS256"'),
    "header null": lambda t, o: forge(claims_of(t), header="null"),
    "header empty": lambda t, o: forge(claims_of(t), header="{}"),
    "header nested deeply": lambda t, o: forge(
        claims_of(t), header='{"alg":"HS256","x":' + "[" * 1500 + "]" * 1500 + "}"
    ),
    "header not UTF-8": lambda t, o: forge(claims_of(t), header=b'{"alg":"HS256","x":"\xff"}'),
    "header UTF-16": lambda t, o: forge(claims_of(t), header=json.dumps(HEADER).encode("utf-16")),
    "header with two algs": lambda t, o: forge(
        claims_of(t), header='{"alg":"HS256","alg":"none","typ":"JWT"}'
    ),
    # The payload
    "payload a list": raw(lambda p: f"[{p}]"),
    "payload a text": raw(json.dumps),
    "payload null": raw(lambda p: "null"),
    "payload empty": raw(lambda p: "{}"),
    "payload no JSON": raw(lambda p: p[:-1]),
    "payload UTF-16": raw(lambda p: p.encode("utf-16")),
    "payload UTF-16 without mark": raw(lambda p: p.encode("utf-16-le")),
    "payload UTF-8 with mark": raw(lambda p: b"\xef\xbb\xbf" + p.encode()),
    "payload Latin-1": raw(lambda p: p.replace("}", ',"x":"\xe9"}').encode("latin-1")),
    "payload with a huge integer": raw(lambda p: p.replace("}", ',"x":' + "9" * 5000 + "}")),
    "nested token": lambda t, o: forge(json.dumps(t), header={**HEADER, "cty": "JWT"}),
    # Time
    "exp text": claims(exp="9999999999"),
    "exp float": claims(exp=9999999999.5),
    "exp huge": claims(exp=10**30),
    "exp list": claims(exp=[]),
    "exp object": claims(exp={}),
    "exp null": claims(exp=None),
    "exp missing": claims("exp"),
    "exp NaN": claims(exp=float("nan")),
    "exp Infinity": claims(exp=float("inf")),
    "exp after the year 3000": claims(exp=32_503_680_001),
    "iat text": claims(iat="1"),
    "iat float": claims(iat=1.5),
    "iat huge": claims(iat=10**30),
    "iat negative": claims(iat=-1),
    "iat true": claims(iat=True),
    "iat null": claims(iat=None),
    "iat missing": claims("iat"),
    "iat in the future": claims(iat=9_999_999_999),
    "nbf in the future": claims(nbf=9_999_999_999),
    "nbf text": claims(nbf="0"),
    "nbf huge": claims(nbf=10**30),
    "nbf true": claims(nbf=True),
    # Identity of the token
    "jti empty": claims(jti=""),
    "jti of 256 characters": claims(jti="x" * 256),
    "jti of 100,000 characters": claims(jti="x" * 100_000),
    "jti NUL": claims(jti="a\0b"),
    "jti lone surrogate": claims(jti="\ud800"),
    "jti number": claims(jti=1),
    "jti missing": claims("jti"),
    # The user
    "user id number": claims(user_id=1),
    "user id true": claims(user_id=True),
    "user id float": claims(user_id=1.5),
    "user id null": claims(user_id=None),
    "user id list": claims(user_id=["1"]),
    "user id object": claims(user_id={"pk": 1}),
    "user id empty": claims(user_id=""),
    "user id missing": claims("user_id"),
    "user id word": claims(user_id="abc"),
    "user id NUL": claims(user_id="1\0"),
    "user id lone surrogate": claims(user_id="\ud800"),
    "user id 2**63": claims(user_id=str(2**63)),
    "user id of 250 digits": claims(user_id="9" * 250),
    "user id of 400 digits": claims(user_id="9" * 400),
    "user id of 400 digits, a number": claims(user_id=10**400),
    "user id nobody has": claims(user_id="999999999"),
    "user id of somebody else": from_other("user_id"),
    "user id with a zero before": lambda t, o: reforged(t, user_id="0" + claims_of(t)["user_id"]),
    "user id with a space": lambda t, o: reforged(t, user_id=claims_of(t)["user_id"] + " "),
    "user id as SQL": claims(user_id="1 OR 1=1"),
    # The session
    "sid missing": claims("sid"),
    "sid empty": claims(sid=""),
    "sid null": claims(sid=None),
    "sid number": claims(sid=1),
    "sid list": claims(sid=["0197d0a0-5f6e-7cc3-8a3b-0123456789ab"]),
    "sid word": claims(sid="abc"),
    "sid NUL": claims(sid="\0" * 36),
    "sid upper case": lambda t, o: reforged(t, sid=claims_of(t)["sid"].upper()),
    "sid without hyphens": lambda t, o: reforged(t, sid=claims_of(t)["sid"].replace("-", "")),
    "sid in braces": lambda t, o: reforged(t, sid=f"{{{claims_of(t)['sid']}}}"),
    "sid as URN": lambda t, o: reforged(t, sid=f"urn:uuid:{claims_of(t)['sid']}"),
    "sid of somebody else": from_other("sid"),
    # Whose and what for
    "token_type missing": claims("token_type"),
    "token_type null": claims(token_type=None),
    "token_type list": claims(token_type=["access", "session_refresh"]),
    "token_type in another case": lambda t, o: reforged(
        t, token_type=claims_of(t)["token_type"].title()
    ),
    "token_type sliding": claims(token_type="sliding"),
    "token_type twice": raw(lambda p: p.replace("}", ',"token_type":"x"}')),
    "issuer of another service": claims(iss="https://other.example"),
    "issuer null": claims(iss=None),
    "audience of another service": claims(aud="other"),
    "audience empty": claims(aud=[]),
    "password-reset token": lambda t, o: default_token_generator.make_token(
        UserFactory.build(pk=1)
    ),
    "signed value of Django": lambda t, o: signing.dumps(claims_of(t)),
    # Words that clients send by mistake
    "word": text(lambda t: "x"),
    "null": text(lambda t: "null"),
    "undefined": text(lambda t: "undefined"),
    "object Object": text(lambda t: "[object Object]"),
    "a.b.c": text(lambda t: "a.b.c"),
    "ey.ey.ey": text(lambda t: "ey.ey.ey"),
    "path": text(lambda t: "../../etc/passwd"),
    "template": text(lambda t: "{{7*7}}"),
    "emoji": text(lambda t: "\N{PILE OF POO}"),
}

REFRESH_FORGERIES = {
    "access token": None,
    "gen 0": claims(gen=0),
    "gen negative": claims(gen=-1),
    "gen text": claims(gen="1"),
    "gen float": claims(gen=1.0),
    "gen true": claims(gen=True),
    "gen null": claims(gen=None),
    "gen list": claims(gen=[1]),
    "gen missing": claims("gen"),
    "gen 2**31": claims(gen=2**31),
    "gen 2**63": claims(gen=2**63),
    "gen huge": claims(gen=10**400),
    "gen NaN": claims(gen=float("nan")),
    "sec missing": claims("sec"),
    "sec null": claims(sec=None),
    "sec number": claims(sec=1),
    "sec empty": claims(sec=""),
    "sec short": claims(sec="A" * 21),
    "sec long": claims(sec="A" * 23),
    "sec wrong": claims(sec="A" * 22),
    "sec with other characters": claims(sec="+" * 22),
    "sec in other letters": claims(sec="\xe9" * 22),
    "sec NUL": claims(sec="\0" * 22),
    "sec of somebody else": from_other("sec"),
    "session nobody has": claims(sid="0197d0a0-5f6e-7cc3-8a3b-0123456789ab"),
    "exp negative": claims(exp=-1),
    "exp true": claims(exp=True),
    "exp before time began": claims(exp=-(10**15)),
}

ACCESS_FORGERIES = {
    "refresh token": None,
    "auth_time missing": claims("auth_time"),
    "auth_time text": claims(auth_time="1"),
    "auth_time float": claims(auth_time=1.5),
    "auth_time true": claims(auth_time=True),
    "auth_time null": claims(auth_time=None),
    "auth_time huge": claims(auth_time=10**30),
    "auth_time negative": claims(auth_time=-1),
}

#: Signed by us and about nothing that lives: refused with a code that says so.
OUTDATED_ACCESS = {
    "exp 0": (claims(exp=0), "token_expired"),
    "exp 1": (claims(exp=1), "token_expired"),
    "exp negative": (claims(exp=-1), "token_invalid"),
    "exp true": (claims(exp=True), "token_invalid"),
    "session nobody has": (
        claims(sid="0197d0a0-5f6e-7cc3-8a3b-0123456789ab"),
        "session_revoked",
    ),
}


#: Text, and not the user's. Whoever holds the secret may end the session, and gets no token.


WRONG_USER = [
    "user id word",
    "user id 2**63",
    "user id of 250 digits",
    "user id nobody has",
    "user id of somebody else",
    "user id with a zero before",
    "user id with a space",
    "user id as SQL",
]
