"""Bodies, headers, cookies and ids that get nowhere, and what is answered to them."""

from tests.answers import BARE, INVALID, LOGOUT, LOGOUT_ALL, OBTAIN, REFRESH
from tests.browsing import COOKIE
from token_lifecycle.testing import PASSWORD

GOOD = {"username": "anna", "password": PASSWORD}
BODIES = {
    "nothing but white space": (b"  ", 400),
    "list": (b"[]", 400),
    "list of objects": (b'[{"refresh": "x"}]', 400),
    "text": (b'"refresh"', 400),
    "number": (b"5", 400),
    "null": (b"null", 400),
    "true": (b"true", 400),
    "cut off": (b'{"refresh": ', 400),
    "trailing comma": (b'{"refresh": "x",}', 400),
    "comment": (b'{"refresh": "x"} // x', 400),
    "single quotes": (b"{'refresh': 'x'}", 400),
    "byte order mark": (b"\xef\xbb\xbf{}", 400),
    "UTF-16": ('{"refresh": "x"}'.encode("utf-16"), 400),
    "Latin-1": ('{"refresh": "\xe9"}'.encode("latin-1"), 400),
    "NaN": (b'{"refresh": NaN}', 400),
    "Infinity": (b'{"refresh": -Infinity}', 400),
    "huge integer": (b'{"refresh": ' + b"9" * 5000 + b"}", 400),
    "form": (b"refresh=x&username=anna", 400),
    "XML": (b"<refresh>x</refresh>", 400),
    "deep list": (b"[" * 100_000, 400),
    "deep object": (b'{"a":' * 100_000, 400),
    "closed deep list": (b"[" * 50_000 + b"]" * 50_000, 400),
    "three megabytes": (b'{"refresh": "' + b"x" * 3_000_000 + b'"}', 413),
    "three megabytes of nothing": (b" " * 3_000_000, 413),
}

#: None of them says that a body is JSON.
CONTENT_TYPES = [
    "text/plain",
    "text/xml",
    "application/xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "application/json-patch+json",
    "application/octet-stream",
    "text/json",
    "json",
    "",
    "/",
    "*/*",
    "application/json, text/plain",
    "\xe9",
    "application/\0json",
]

FIELDS = [
    (OBTAIN, "username"),
    (OBTAIN, "password"),
    (OBTAIN, "device_name"),
    (REFRESH, "refresh"),
    (LOGOUT, "refresh"),
    (LOGOUT_ALL, "keep_current"),
]


def nested(depth):
    return "[" * depth + "]" * depth


VALUES = {
    "list": "[]",
    "list of text": '["anna"]',
    "object": '{"$ne": ""}',
    "null": "null",
    "float": "1.5",
    "huge float": "1e999",
    "integer of 400 digits": "9" * 400,
    "integer of 4,000 digits": "9" * 4000,
    "NUL": r'"a\u0000b"',
    "lone surrogate": r'"\ud800"',
    "other lone surrogate": r'"a\udfffb"',
    "object, nested": '{"a":' * 300 + "1" + "}" * 300,
    **{f"list, {depth} deep": nested(depth) for depth in (10, 100, 300, *range(400, 1000, 50))},
    **{f"list, {depth} deep": nested(depth) for depth in (2000, 5000, 9000, 20_000, 100_000)},
}

CREDENTIALS = {
    "Bearer": INVALID,
    "Bearer ": INVALID,
    "Bearer  ": INVALID,
    "bearer x": INVALID,
    "BEARER x": INVALID,
    "Bearer a b": INVALID,
    "Bearer  x": INVALID,
    "Bearer x\ty": INVALID,
    "Bearer \0": INVALID,
    "Bearer \xff\xfe": INVALID,
    "Bearer x,Bearer y": INVALID,
    "Bearer x\r\nX-Injected: y": INVALID,
    'Bearer realm="api"': INVALID,
    "Bearer " + "x" * 100_000: INVALID,
    "Basic YTpi": BARE,
    "Basic": BARE,
    "Token x": BARE,
    "Bearer\tx": BARE,
    "Bearer\xa0x": BARE,
    "Bearerx": BARE,
    "x": BARE,
    " ": BARE,
    "\0": BARE,
    "x" * 100_000: BARE,
}

COOKIES = [
    f"{COOKIE}=",
    f"{COOKIE}",
    f"{COOKIE}==",
    f'{COOKIE}="',
    f'{COOKIE}="a.b.c"',
    f"{COOKIE}=a b",
    f"{COOKIE}=\xe9\xff",
    f"{COOKIE}=\0",
    f"{COOKIE}={'x' * 10_000}",
    f"{COOKIE}=%00",
    f"{COOKIE}=$(id)",
    f"; ; ={COOKIE}=x;;",
    f"{COOKIE}=a; {COOKIE}=b",
    f"{COOKIE}=a,{COOKIE}=b",
    f"$Version=1; {COOKIE}=a; $Path=/",
    ";" * 10_000,
]

SESSION_IDS = [
    "0",
    "-1",
    "1e9",
    "x",
    "%00",
    "%0A",
    "%20",
    "..",
    "%2E%2E",
    "%F0%9F%92%A9",
    "%ED%A0%80",
    "%FF",
    "'%20OR%201=1--",
    "%7B%7B7*7%7D%7D",
    "<script>",
    "x" * 10_000,
    "9" * 5_000,
    "null",
    "01234567-89ab-cdef-0123-456789abcdef0",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
]
