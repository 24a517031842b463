"""Who is measured, and at what. The registry; how each of them signs in is in ``sign_ins``."""

from __future__ import annotations

import enum
import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from . import sign_ins
from .exchange import Exchange


class Job(enum.StrEnum):
    """What is asked of a contender; only lines of one job are compared."""

    REFRESH = "refresh"
    CHECK = "check"
    SIGN_IN = "sign-in"
    LIST = "session-list"
    LOGOUT_ALL = "logout-all"

    @property
    def title(self) -> str:
        """The job in words."""
        return TITLES[self]


TITLES = {
    Job.REFRESH: "Refresh, with rotation",
    Job.CHECK: "Access check",
    Job.SIGN_IN: "Sign-in, without the price of a password hash",
    Job.LIST: f"List of the caller's sessions ({sign_ins.SESSIONS} of them)",
    Job.LOGOUT_ALL: f"Logout everywhere ({sign_ins.SESSIONS} sessions)",
}

#: How the lines are called that others are compared with.
NOTHING = "a view that does nothing"
BY_HAND = "the same by hand"
OURS = "token_lifecycle"
OURS_DATABASE = "token_lifecycle, database"
OURS_MEMORY = "token_lifecycle, memory"
OURS_STATELESS = "token_lifecycle, stateless"
SIMPLEJWT = "simplejwt"
SIMPLEJWT_BLACKLIST = "simplejwt, blacklist"
SIMPLEJWT_STATELESS = "simplejwt, stateless"
KNOX = "django-rest-knox"
OAUTH_TOOLKIT = "django-oauth-toolkit"
ALLAUTH = "allauth, JWT"

#: The distribution, and the modules that it brings or brings along.
PEERS = {
    KNOX: ("django-rest-knox", ["knox"]),
    OAUTH_TOOLKIT: ("django-oauth-toolkit", ["oauth2_provider"]),
    ALLAUTH: ("django-allauth[headless]", ["allauth.headless", "cryptography"]),
}


@dataclass(frozen=True)
class Contender:
    """One line of a table."""

    job: Job
    name: str
    sign_in: Callable[[Any], Exchange]
    """Sign a user in; the requests that follow, the first of which is not made yet."""
    tables: tuple[str, ...] = ()
    """The models whose tables a request may make grow, as ``app.Model``."""
    anew: bool = False
    """A request uses the sign-in up: before each one there is another, which is not timed."""


OUR_TABLES = ("token_lifecycle.Session", "token_lifecycle.SessionEvent")
SIMPLEJWT_TABLES = ("token_blacklist.OutstandingToken", "token_blacklist.BlacklistedToken")
OAUTH_TABLES = ("oauth2_provider.AccessToken", "oauth2_provider.RefreshToken")
ALLAUTH_TABLES = ("sessions.Session",)

CONTENDERS = (
    Contender(Job.REFRESH, NOTHING, sign_ins.nothing_post),
    Contender(Job.REFRESH, BY_HAND, sign_ins.by_hand, OUR_TABLES),
    Contender(Job.REFRESH, OURS, sign_ins.ours_refresh, OUR_TABLES),
    Contender(Job.REFRESH, SIMPLEJWT_BLACKLIST, sign_ins.simplejwt_refresh, SIMPLEJWT_TABLES),
    Contender(Job.REFRESH, OAUTH_TOOLKIT, sign_ins.oauth_refresh, OAUTH_TABLES),
    Contender(Job.REFRESH, ALLAUTH, sign_ins.allauth_refresh, ALLAUTH_TABLES),
    Contender(Job.CHECK, NOTHING, sign_ins.nothing_get),
    Contender(Job.CHECK, OURS_DATABASE, sign_ins.ours_check("/ours/check/")),
    Contender(Job.CHECK, OURS_MEMORY, sign_ins.ours_check("/ours/memory/")),
    Contender(Job.CHECK, OURS_STATELESS, sign_ins.ours_check("/ours/stateless/")),
    Contender(Job.CHECK, SIMPLEJWT, sign_ins.simplejwt_check("/simplejwt/check/")),
    Contender(Job.CHECK, SIMPLEJWT_STATELESS, sign_ins.simplejwt_check("/simplejwt/stateless/")),
    Contender(Job.CHECK, KNOX, sign_ins.knox_check),
    Contender(Job.CHECK, OAUTH_TOOLKIT, sign_ins.oauth_check),
    Contender(Job.CHECK, ALLAUTH, sign_ins.allauth_check),
    Contender(Job.SIGN_IN, NOTHING, sign_ins.nothing_post),
    Contender(Job.SIGN_IN, OURS, sign_ins.ours_sign_in, OUR_TABLES),
    Contender(Job.SIGN_IN, SIMPLEJWT_BLACKLIST, sign_ins.simplejwt_sign_in, SIMPLEJWT_TABLES),
    Contender(Job.SIGN_IN, KNOX, sign_ins.knox_sign_in, ("knox.AuthToken",)),
    Contender(Job.SIGN_IN, OAUTH_TOOLKIT, sign_ins.oauth_sign_in, OAUTH_TABLES),
    Contender(Job.SIGN_IN, ALLAUTH, sign_ins.allauth_sign_in, ALLAUTH_TABLES),
    Contender(Job.LIST, NOTHING, sign_ins.nothing_get),
    Contender(Job.LIST, OURS, sign_ins.ours_list),
    Contender(Job.LOGOUT_ALL, NOTHING, sign_ins.nothing_post),
    Contender(Job.LOGOUT_ALL, OURS, sign_ins.ours_logout_all, anew=True),
    Contender(Job.LOGOUT_ALL, KNOX, sign_ins.knox_logout_all, anew=True),
)


def present(jobs: Iterable[Job] = tuple(Job)) -> list[Contender]:
    """Those that can be measured here, at these jobs."""
    wanted, absent = set(jobs), missing()
    return [c for c in CONTENDERS if c.job in wanted and c.name not in absent]


def missing() -> dict[str, str]:
    """Who is left out, and why."""
    return {
        name: f"not installed: pip install '{distribution}'"
        for name, (distribution, modules) in PEERS.items()
        if not all(map(_installed, modules))
    }


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
