"""The tokens a program holds for one session."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class TokenSet:
    """One access token and the refresh token that replaces it.

    Not a tuple: loggers, error reporters and ``json.dumps`` unpack tuples, and the tokens in this
    one would be printed. The repr shows the times only.
    """

    access: str = field(repr=False)
    """Sent with every request, as ``Authorization: Bearer``."""
    refresh: str = field(repr=False)
    """Sent to the refresh and logout endpoints only, and good for one refresh."""
    expires_at: float | None = None
    """When the access token expires, in seconds since the epoch by the clock of this machine;
    None if the server did not say, and then only a 401 tells."""
    issued_at: float | None = None
    """When it was asked for, by the same clock."""

    def is_due(self, now: float, leeway: float) -> bool:
        """Whether fewer than ``leeway`` seconds of the access token are left at ``now``.

        Never more than half of its life: tokens that live shorter than the leeway would
        otherwise be refreshed before every single request.
        """
        if self.expires_at is None:
            return False
        if self.issued_at is not None:
            leeway = min(leeway, (self.expires_at - self.issued_at) / 2)
        return now >= self.expires_at - leeway

    def timed(self, now: float) -> TokenSet:
        """These tokens with the times filled in, as far as the access token tells them."""
        lifetime = None if self.expires_at is not None else lifetime_in(self.access)
        if lifetime is None:
            return self
        return replace(self, expires_at=now + lifetime, issued_at=now)

    def is_alive(self, now: float) -> bool:
        """Whether the access token is worth sending at ``now``."""
        return self.expires_at is None or now < self.expires_at


def lifetime_in(access: str) -> float | None:
    """Seconds from ``iat`` to ``exp`` of a JWT (RFC 7519 §4.1); None where there are none.

    Unverified, so good for timing and nothing else. A duration: the clocks need not agree.
    """
    try:
        payload = access.split(".")[1]
        claims: Any = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        lifetime = float(claims["exp"] - claims["iat"])
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
        return None
    return lifetime if math.isfinite(lifetime) and lifetime > 0 else None
