"""How a client is named on the pages. Everything here was sent by the client and is escaped."""

from __future__ import annotations

from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

USER_AGENT_SHOWN = 48

#: Every browser begins with it; it tells nothing.
MOZILLA = "Mozilla/5.0 "

#: What stands in a user agent, and what people call it. The first that fits: Edge also says that
#: it is Chrome, and Chrome that it is Safari.
BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
PLATFORMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Macintosh": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


def device_of(row: Any) -> str:
    """What a person would call the client of a session or an event."""
    return getattr(row, "device_name", "") or client_of(row.user_agent) or _("unknown device")


def device_cell(row: Any) -> SafeString:
    """The same with the whole user agent behind it; isolated, for it may be written in Arabic."""
    return format_html('<bdi title="{}">{}</bdi>', row.user_agent, device_of(row))


def client_cell(event: Any) -> SafeString | str:
    """The client of an event; nothing where no client had a part in it."""
    return device_cell(event) if event.user_agent else ""


def client_of(user_agent: str) -> str:
    """The browser and its platform where both are well known, or else the user agent, cut short."""
    browser = _first(BROWSERS, user_agent)
    platform = _first(PLATFORMS, user_agent)
    if user_agent.startswith(MOZILLA) and browser and platform:
        return _("%(browser)s on %(platform)s") % {"browser": browser, "platform": platform}
    return shortened(user_agent.removeprefix(MOZILLA))


def shortened(text: str) -> str:
    """Both ends of ``text``."""
    if len(text) <= USER_AGENT_SHOWN:
        return text
    half = (USER_AGENT_SHOWN - 1) // 2
    return f"{text[:half].rstrip()}…{text[-half:].lstrip()}"


def user_of(row: Any) -> str:
    """The user a session or an event is about."""
    return _("deleted user") if row.user is None else str(row.user)


def _first(names: dict[str, str], text: str) -> str | None:
    return next((name for sign, name in names.items() if sign in text), None)
