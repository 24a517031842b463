"""``BrowserSessionMiddleware``: lets in nobody whose session was ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from .refusal import SessionLimitRefusal, page_of
from .visits import Visit


class BrowserSessionMiddleware:
    """Stands behind ``AuthenticationMiddleware``; ``request.user`` is nobody without a live row.

    Where the row was ended, has expired or is gone, the Django session is flushed and the user is
    nobody, at this very request. Where the database does not answer, the error is raised.

    ``request.token_session_id`` is the id of the row, once ``request.user`` was looked at; None
    where nobody is signed in. ``request.token_session_adopted`` says whether the row was made for
    a Django session from before: then nobody knows when the person signed in.
    """

    sync_capable = True
    async_capable = True

    #: Whether Django sessions from before this app was installed get a row when they are first
    #: seen. A subclass that says no signs them out.
    adopts = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        if self.is_async:
            return self.__acall__(request)
        visit = self._begin(request)
        response = self.get_response(request)
        if not visit.is_finished:
            visit.finish(response, now=timezone.now())
        return response

    async def __acall__(self, request: Any) -> Any:
        visit = self._begin(request)
        response = await self.get_response(request)
        if not visit.is_finished:
            await sync_to_async(visit.finish)(response, now=timezone.now())
        return response

    def process_exception(self, request: Any, exception: Exception) -> Any:
        """Say to whom a sign-in was refused what to do, where Django's 403 is an empty page."""
        return page_of(request) if isinstance(exception, SessionLimitRefusal) else None

    def _begin(self, request: Any) -> Visit:
        if not hasattr(request, "user") or not hasattr(request, "session"):
            raise ImproperlyConfigured(
                "BrowserSessionMiddleware has to stand behind SessionMiddleware and "
                "AuthenticationMiddleware in MIDDLEWARE."
            )
        visit = Visit(request, adopts=self.adopts, now=timezone.now())
        visit.begin()
        return visit
