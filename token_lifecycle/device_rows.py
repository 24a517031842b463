"""A session as its person sees it on the page "Your devices"."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from .client_names import describe, sign_in_method
from .models import Session

#: What of a row the page shows.
SHOWN_COLUMNS = (
    "device_name",
    "user_agent",
    "ip_address",
    "auth_method",
    "created_at",
    "rotated_at",
)


@dataclass(frozen=True, kw_only=True)
class DeviceRow:
    """One session, as the page shows it."""

    session: Session
    is_this: bool
    """Whether the page is being looked at from here."""
    sign_out_url: str

    @property
    def name(self) -> str:
        """What a person would call it. The client chose it: to be escaped."""
        return self.session.device_name or describe(self.session.user_agent) or _("Unknown device")

    @property
    def method(self) -> str | Promise:
        """How the person signed in there."""
        return sign_in_method(self.session.auth_method)
