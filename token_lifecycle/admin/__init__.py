"""Sessions and their trail in Django's admin: to be looked at and ended, never to be edited.

A project that wants other rules subclasses :class:`SessionAdmin` and registers that instead; its
``get_queryset`` bounds what its staff may see, end and remove.
"""

from .events import SessionEventAdmin
from .sessions import SessionAdmin
from .user_panel import UserSessionsMixin

__all__ = ["SessionAdmin", "SessionEventAdmin", "UserSessionsMixin"]
