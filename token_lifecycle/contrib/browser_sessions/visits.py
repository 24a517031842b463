"""One request of a browser: whether its row lets the user in, and what is to be written afterwards.

What decides is read when a view looks at the user. What is written waits for the answer, when the
view's own transaction (``ATOMIC_REQUESTS``) is over: nobody waits for a lock, and nothing that
was written is taken back with it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.db.models import F
from django.utils.functional import SimpleLazyObject

from token_lifecycle import journal
from token_lifecycle.exceptions import SessionLimitReached, UserInactive
from token_lifecycle.models import RevocationReason, Session
from token_lifecycle.user_changes import password_matches

from . import rows
from .rows import ADOPTED_KEY, SESSION_ID_KEY

#: Where a request has its visit.
ATTRIBUTE = "_token_lifecycle_visit"


class Visit:
    """Begins before the view and is finished after it."""

    def __init__(self, request: Any, *, adopts: bool, now: datetime) -> None:
        self.request, self.adopts, self.now = request, adopts, now
        self.user: Any = None
        #: The row, where it was read from the database.
        self.row: Session | None = None
        #: The row that a sign-in within this request has started.
        self.started: UUID | None = None
        #: A Django session from before the app was installed: signed in, and without a row.
        self.is_unnamed = False
        self._auth_hash: str | None = None
        self._abandoned: list[UUID] = []
        self._allowed: bool | None = None

    @classmethod
    def of(cls, request: Any) -> Visit | None:
        """The visit of a request, where the middleware has seen it."""
        return getattr(request, ATTRIBUTE, None)

    def begin(self) -> None:
        """Stand between the request and whom Django takes its user for."""
        request = self.request
        setattr(request, ATTRIBUTE, self)
        request.token_session_id, request.token_session_adopted = None, False
        user, auser = request.user, request.auser
        request.user = SimpleLazyObject(lambda: self._user(user))

        async def checked_auser() -> Any:
            return await self._auser(auser)

        request.auser = checked_auser
        clear = request.session.clear

        def noted_clear() -> None:
            self._abandon()
            clear()

        # ``login`` as somebody else empties the session before it tells anybody.
        request.session.clear = noted_clear

    # Before the answer

    def _user(self, user: Any) -> Any:
        self._note(self.request.session.get(HASH_SESSION_KEY))
        return user if self._check(user) else AnonymousUser()

    async def _auser(self, auser: Callable[[], Any]) -> Any:
        self._note(await self.request.session.aget(HASH_SESSION_KEY))
        user = await auser()
        return user if await sync_to_async(self._check)(user) else AnonymousUser()

    def _note(self, auth_hash: str | None) -> None:
        """Remember what the session said before Django, or a view, changes it."""
        self._auth_hash = self._auth_hash or auth_hash

    def _check(self, user: Any) -> bool:
        if self._allowed is None:
            self.user = user
            self._allowed = self._is_allowed(user)
            if not self._allowed:
                self.request.session.flush()
        return self._allowed

    def _is_allowed(self, user: Any) -> bool:
        """Whether the row of the Django session, if it names one, lets its user in."""
        session = self.request.session
        session_id = rows.named_by(session)
        if not user.is_authenticated:
            return session_id is None
        if SESSION_KEY not in session:
            return True  # somebody else's business: a header, a certificate
        if session_id is None:
            self.is_unnamed = self.adopts
            return self.adopts
        user_id = get_user_model()._meta.pk.to_python(session[SESSION_KEY])
        if not rows.is_known_live(session_id, user_id=user_id, now=self.now):
            self.row = rows.live_row(session_id, user_id=user_id, now=self.now)
            if self.row is None:
                # Nothing is left to end: not when the session is flushed, and not somebody else's.
                del session[SESSION_ID_KEY]
                return False
        self.request.token_session_id = session_id
        self.request.token_session_adopted = ADOPTED_KEY in session
        return True

    def signed_in(self, user: Any, *, now: datetime) -> None:
        """Start a row for a sign-in in this browser, and end the one it takes the place of."""
        session = self.request.session
        before = rows.named_by(session)
        for session_id in [*self._abandoned, *([before] if before else [])]:
            # First, to make room where the number of sessions is limited.
            self._end(session_id, RevocationReason.REPLACED, now)
        self._forget()
        session.pop(ADOPTED_KEY, None)
        self.user = user
        self.started = rows.start(self.request, user, now=now)
        self.request.token_session_id = self.started
        self._auth_hash = session.get(HASH_SESSION_KEY)

    def _abandon(self) -> None:
        """The Django session is about to be emptied."""
        session = self.request.session
        # A session that was not looked at yet would have to be read, and may not be in a coroutine.
        session_id = rows.named_by(session) if session.accessed else None
        self._forget()
        if session_id is not None:
            self._abandoned.append(session_id)

    def _forget(self) -> None:
        self.row, self.started, self.is_unnamed, self._auth_hash = None, None, False, None
        self.request.token_session_id, self.request.token_session_adopted = None, False

    # After the answer

    @property
    def is_finished(self) -> bool:
        """Whether nothing is to be written. Asks nobody."""
        return not (
            self._abandoned
            or self.started
            or self.is_unnamed
            or self._hash_changed
            or (self.row is not None and rows.is_due(self.row, now=self.now))
        )

    def finish(self, response: Any, *, now: datetime) -> None:
        """Write what this request means for the rows."""
        device = rows.device_of(self.request)
        for session_id in self._abandoned:
            rows.end_abandoned(session_id, device=device, now=now)
        if self.row is not None and rows.is_due(self.row, now=self.now):
            rows.touch(self.row, self.user, device, now=self.now)
        if response.status_code >= 500:
            return  # and Django saves no session
        if self.is_unnamed:
            self._adopt(now)
        elif self.started and self._was_rolled_back(self.started):
            del self.request.session[SESSION_ID_KEY]
        elif self._hash_changed:
            self._follow_password(now)

    def _adopt(self, now: datetime) -> None:
        """Give a Django session from before a row, once, however many requests it sends at once."""
        try:
            journal.in_transaction(lambda: self._start_or_share(now))
        except UpdateError:
            return  # logged out meanwhile: SessionMiddleware says so

    def _start_or_share(self, now: datetime) -> None:
        session = self.request.session
        # Requests of one user queue up here. An UPDATE that changes nothing, because it locks on
        # every database.
        users = get_user_model()._base_manager.using(journal.database())
        users.filter(pk=self.user.pk).update(password=F("password"))
        saved = type(session)(session.session_key)
        if SESSION_KEY in saved and rows.named_by(saved):
            # Another request was faster. Without a mark that would have this one's data saved, over
            # what the other has saved.
            modified = session.modified
            session[SESSION_ID_KEY] = saved[SESSION_ID_KEY]
            session[ADOPTED_KEY] = True
            session.modified = modified
        elif self._start_or_leave(self.user, now):
            session[ADOPTED_KEY] = True
            if session.session_key:
                session.save()

    def _start_or_leave(self, user: Any, now: datetime) -> bool:
        try:
            rows.start(self.request, user, now=now)
        except (SessionLimitReached, UserInactive):
            self.request.session.flush()
            return False
        return True

    def _was_rolled_back(self, session_id: UUID) -> bool:
        """Whether the view's transaction took the row that was started in it back with it."""
        return not Session.objects.primary().filter(pk=session_id).exists()

    @property
    def _hash_changed(self) -> bool:
        """Whether ``update_session_auth_hash`` was called. The session has been read by then."""
        if self._auth_hash is None:
            return False
        return bool(self.request.session.get(HASH_SESSION_KEY) != self._auth_hash)

    def _follow_password(self, now: datetime) -> None:
        """Let this browser go on after its user changed the password here, with a row of its own.

        Nothing that was ended is revived, and who was signed out by somebody meanwhile stays out.
        """
        session = self.request.session
        session_id = rows.named_by(session)
        row = Session.objects.for_access(session_id) if session_id else None
        if row is None or row.user is None:
            session.flush()
        elif row.is_live(now):
            if password_matches(row, row.user):
                return  # ``keep_session``, or another key of the site
            self._end(row.pk, RevocationReason.PASSWORD_CHANGE, now)
            self._start_or_leave(row.user, now)
        elif row.revocation_reason == RevocationReason.PASSWORD_CHANGE:
            self._start_or_leave(row.user, now)
        else:
            session.flush()

    def _end(self, session_id: UUID, reason: str, now: datetime) -> None:
        rows.end(session_id, reason=reason, device=rows.device_of(self.request), now=now)
        if session_id in self._abandoned:
            self._abandoned.remove(session_id)
