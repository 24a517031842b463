"""The examples of the schema: those of docs/http-api.md."""

from __future__ import annotations

CREDENTIALS = {"password": "paper-and-ink", "device_name": "Anna's phone"}  # nosec B105  # nobody's
_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzaWQiOiIuLi4ifQ.c2lnbmF0dXJl"
REFRESH = {"refresh": _JWT}

ACCESS = {
    "access": _JWT,
    "token_type": "Bearer",  # nosec B105  # a scheme
    "expires_in": 900,
    "refresh_expires_in": 1209600,
    "session": "01a1fb68-9816-751d-b70e-611ae0009c7d",
}
TOKENS = {**ACCESS, **REFRESH}

SESSION = {
    "id": "01a1fb68-9816-751d-b70e-611ae0009c7d",
    "device_name": "Anna's phone",
    "user_agent": "PaperShop/4.2 (iPhone; iOS 19.1)",
    "ip_address": "198.51.100.23",
    "auth_method": "password",
    "created_at": "2026-11-21T00:01:38.326106Z",
    "last_used_at": "2026-11-21T00:01:38.326106Z",
    "expires_at": "2026-12-21T00:01:38.326106Z",
    "current": True,
}
SESSION_PAGE = {"count": 1, "next": None, "previous": None, "results": [SESSION]}

KEY_SET = {
    "keys": [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "kmpXSmy8wQ4IAl5pDoZxfUi7DzVUNJLvnsb9MYVzOVU",
            "kid": "2026-12",
            "use": "sig",
            "alg": "EdDSA",
        }
    ]
}
