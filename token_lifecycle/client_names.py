"""What people call the client behind a user agent: "Firefox on Android".

The names come from the library ua-parser (the extra ``devices``), which knows some hundred browsers
and is kept up to date. Without it a user agent stands for itself, cut short. Either way the result
was chosen by the client and has to be escaped where it is shown.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .device import USER_AGENT_LENGTH

#: What is shown of a user agent that tells nothing else.
SHOWN = 48

#: Every browser begins with it, and it tells nothing.
MOZILLA = "Mozilla/5.0 "

#: Words that the name of the platform says better: "Chrome Mobile iOS", "Mobile Safari".
NEEDLESS = frozenset({"Mobile", "iOS"})

#: As people say; an app that shows its sign-in in a web view does not tell which app it is.
BROWSERS = {"Safari UI/WKWebView": "WebView"}
PLATFORMS = {"Mac OS X": "macOS", "Chrome OS": "ChromeOS"}
APPLE_DEVICES = ("iPhone", "iPad")

#: What this app itself writes down as the method of a sign-in.
METHODS = {"browser": gettext_lazy("browser"), "password": gettext_lazy("password")}


def sign_in_method(name: str) -> str | Promise:
    """How somebody signed in, for people to read; a project's own methods stand for themselves."""
    return METHODS.get(name, name)


def describe(user_agent: str) -> str:
    """The browser and its platform where both are known, or else the user agent, cut short."""
    text = user_agent[:USER_AGENT_LENGTH]
    match _browser_and_platform(text):
        case browser, platform:
            return _("%(browser)s on %(platform)s") % {"browser": browser, "platform": platform}
        case _:
            return _shortened(text.removeprefix(MOZILLA))


@lru_cache(maxsize=4096)
def _browser_and_platform(user_agent: str) -> tuple[str, str] | None:
    """Both names. None for programs: what they call themselves says more than what they are."""
    library = _library()
    if library is None or not user_agent.startswith(MOZILLA):
        return None
    browser, system = library.parse_user_agent(user_agent), library.parse_os(user_agent)
    if browser is None or system is None:
        return None
    name = " ".join(word for word in browser.family.split() if word not in NEEDLESS)
    platform = next((device for device in APPLE_DEVICES if device in user_agent), system.family)
    return _shortened(BROWSERS.get(name, name)), _shortened(PLATFORMS.get(platform, platform))


@cache
def _library() -> Any:
    """Imported when the first page asks: it reads a thousand patterns, which takes its time."""
    try:
        import ua_parser
    except ImportError:
        return None
    # Before 1.0 the package had another interface.
    return ua_parser if hasattr(ua_parser, "parse_user_agent") else None


def _shortened(text: str) -> str:
    """Both ends of ``text``."""
    if len(text) <= SHOWN:
        return text
    half = (SHOWN - 1) // 2
    return f"{text[:half].rstrip()}…{text[-half:].lstrip()}"
