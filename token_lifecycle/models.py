"""The state: one row per sign-in, however often it is refreshed, and the trail of what happened.

A row holds no token and nothing a token could be made from. No column that a refresh writes is
indexed: PostgreSQL then updates the row in place (HOT) and a million refreshes leave the indexes
as they were.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from .device import DEVICE_NAME_LENGTH, USER_AGENT_LENGTH
from .managers import (
    CutoffManager,
    RevocationNoticeManager,
    SessionEventManager,
    SessionManager,
    require_descriptive,
)

if sys.version_info >= (3, 14):
    from uuid import uuid7
else:
    from uuid6 import uuid7


def new_session_id() -> UUID:
    """A UUIDv7: unguessable enough to be public, and in time order for the index."""
    return UUID(int=uuid7().int)


class RevocationReason(models.TextChoices):
    """Why a session was ended."""

    LOGOUT = "logout", _("logged out")
    LOGOUT_ALL = "logout_all", _("logged out everywhere")
    ENDED_BY_USER = "ended_by_user", _("ended by the user from another device")
    REPLACED = "replaced", _("replaced by a new sign-in in the same browser")
    PASSWORD_CHANGE = "password_change", _("password changed")
    USER_DEACTIVATED = "user_deactivated", _("user deactivated")
    USER_DELETED = "user_deleted", _("user deleted")
    ADMIN = "admin", _("ended by staff")
    REUSE_DETECTED = "reuse_detected", _("refresh token used twice")
    SESSION_LIMIT = "session_limit", _("session limit reached")


class SessionStatus(models.TextChoices):
    """What a session is at a moment; never stored, for time alone changes it."""

    LIVE = "live", _("live")
    IDLE = "idle", _("expired, idle for too long")
    EXPIRED = "expired", _("expired")
    ENDED = "ended", _("ended")


class Session(models.Model):
    """One sign-in on one device: what a person sees and ends; also its refresh token's state."""

    id = models.UUIDField(_("session"), primary_key=True, default=new_session_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        # A deleted user's sessions stay, ended and stripped of personal data, until the access
        # tokens issued before are dead.
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="token_sessions",
    )
    secret_digest = models.CharField(max_length=64, editable=False)

    # Refresh state: written by a rotation and by nothing else.
    generation = models.PositiveIntegerField(_("generation"), default=1)
    rotated_at = models.DateTimeField(_("last used"))
    burst_generation = models.PositiveIntegerField(default=1)
    burst_started_at = models.DateTimeField()

    # Limits.
    created_at = models.DateTimeField(_("signed in"))
    idle_expires_at = models.DateTimeField(_("expires when idle"))
    expires_at = models.DateTimeField(_("expires"), db_index=True)

    # End: written by a revocation and by nothing else. Peers that shared a column with the
    # refresh state let a revoked session be refreshed.
    revoked_at = models.DateTimeField(_("ended"), null=True, blank=True, db_index=True)
    revocation_reason = models.CharField(
        _("reason"), max_length=32, choices=RevocationReason, blank=True
    )

    # Binding to the password (see ``binding``); the second value is accepted beside the first.
    auth_hash = models.CharField(max_length=64, editable=False)
    auth_hash_next = models.CharField(max_length=64, blank=True, editable=False)

    # Client, as of the last refresh.
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=USER_AGENT_LENGTH, blank=True)
    device_name = models.CharField(_("device"), max_length=DEVICE_NAME_LENGTH, blank=True)
    auth_method = models.CharField(_("signed in by"), max_length=32, blank=True)

    #: By when everybody was signed out last, where the query asked (``with_cutoff``).
    cutoff_at: datetime | None = None

    objects = SessionManager()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        permissions = [
            ("end_session", _("Can end sessions")),
            ("view_overview", _("Can view the overview of all sessions")),
        ]
        # The list of those that ended for one reason, newest first.
        indexes = [
            models.Index(fields=["revocation_reason", "id"], name="token_lifecycle_by_reason")
        ]
        constraints = [
            models.CheckConstraint(
                name="token_lifecycle_session_end",
                condition=models.Q(revoked_at=None, revocation_reason="")
                | (models.Q(revoked_at__isnull=False) & ~models.Q(revocation_reason="")),
            )
        ]

    def __str__(self) -> str:
        return str(self.pk)

    def save(self, **options: Any) -> None:
        """Insert a session; of one that is stored, save ``update_fields`` that only describe it.

        :raises TypeError: the rest belongs to the verbs (``require_descriptive``).
        """
        if not (self._state.adding or options.get("force_insert")):
            require_descriptive(options.get("update_fields"))
        super().save(**options)

    def status(self, now: datetime) -> SessionStatus:
        """What the session is at ``now``."""
        if self.ended_at is not None:
            return SessionStatus.ENDED
        if now >= self.expires_at:
            return SessionStatus.EXPIRED
        if now >= self.idle_expires_at:
            return SessionStatus.IDLE
        return SessionStatus.LIVE

    @property
    def ended_at(self) -> datetime | None:
        """When it was ended, alone or with everybody; None where it was not."""
        with_everybody = self.cutoff_at is not None and self.created_at <= self.cutoff_at
        return self.cutoff_at if with_everybody and self.revoked_at is None else self.revoked_at

    def is_live(self, now: datetime) -> bool:
        """Neither ended nor past a limit at ``now``."""
        return self.status(now) is SessionStatus.LIVE


class EventKind(models.TextChoices):
    """What an event says happened."""

    STARTED = "started", _("signed in")
    ROTATED = "rotated", _("refreshed")
    CAUGHT_UP = "caught_up", _("database was behind the client")
    NEW_CLIENT = "new_client", _("new client seen")
    REUSE_DETECTED = "reuse_detected", _("refresh token reuse detected")
    LIMIT_REACHED = "limit_reached", _("sign-in refused at the session limit")
    REVOKED = "revoked", _("ended")
    EVERYBODY_ENDED = "everybody_ended", _("everybody signed out")


class SessionEvent(models.Model):
    """One line of the audit trail. Only ever added; never holds a token."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(_("event"), max_length=32, choices=EventKind)
    created_at = models.DateTimeField(_("time"), db_index=True)
    session = models.ForeignKey(
        Session,
        verbose_name=_("session"),
        # The trail outlives the session: an old event goes on naming the session it was about.
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        related_name="events",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.SET_NULL,
        # No constraint, here and below: on InnoDB it would lock the user's row for every line, and
        # a logout could deadlock with a sign-in. An audit trail makes nobody wait.
        db_constraint=False,
        null=True,
        related_name="+",
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("done by"),
        on_delete=models.SET_NULL,
        db_constraint=False,
        null=True,
        related_name="+",
    )
    reason = models.CharField(_("reason"), max_length=32, choices=RevocationReason, blank=True)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True)
    user_agent = models.CharField(_("user agent"), max_length=USER_AGENT_LENGTH, blank=True)
    generation = models.PositiveIntegerField(_("generation"), null=True)

    objects = SessionEventManager()

    class Meta:
        verbose_name = _("session event")
        verbose_name_plural = _("session events")
        # The newest of a kind, and of the ended ones of a reason: alarms are rare in a long trail.
        indexes = [
            models.Index(fields=["kind", "reason", "created_at"], name="token_lifecycle_by_kind")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.session_id or ''}".strip()


class Cutoff(models.Model):
    """That everybody who had signed in by a moment is signed out, however many they are.

    One row ends them all, when it commits: whatever asks whether a session is live compares with
    the newest cutoff, in the same statement. The rows of the sessions follow in batches
    (``lifecycle.sweep``), each with its line in the audit trail.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        db_constraint=False,
        null=True,
        related_name="+",
    )
    #: How many batches have been written, and when the last one was.
    batches = models.PositiveIntegerField(default=0)
    swept_at = models.DateTimeField(null=True)

    objects = CutoffManager()

    class Meta:
        verbose_name = _("cutoff")
        verbose_name_plural = _("cutoffs")

    def __str__(self) -> str:
        return f"everybody who signed in by {self.at.isoformat()}"


class EventCount(models.Model):
    """How many events of a kind there were in an hour that is over; made from the trail.

    What the overview of a month would otherwise count anew, out of millions, at each opening.
    """

    id = models.BigAutoField(primary_key=True)
    hour = models.DateTimeField()
    kind = models.CharField(max_length=32, choices=EventKind)
    reason = models.CharField(max_length=32, choices=RevocationReason, blank=True)
    count = models.PositiveIntegerField()

    class Meta:
        verbose_name = _("event count")
        verbose_name_plural = _("event counts")
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "kind", "reason"], name="token_lifecycle_one_count"
            )
        ]

    def __str__(self) -> str:
        return f"{self.hour.isoformat()} {self.kind} {self.reason}".strip()


class RevocationNotice(models.Model):
    """That something ended, for processes that check access tokens by a list in memory.

    A row for each ended session, or one for very many. It is of use for as long as an access token
    lives, and removed by ``prune``. No foreign keys: it outlives what it is about.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    session_id = models.UUIDField(null=True)
    #: Without a session: whose, as the user-id claim has it; empty for everybody's.
    user_id = models.CharField(max_length=255, blank=True)

    objects = RevocationNoticeManager()

    class Meta:
        verbose_name = _("revocation notice")
        verbose_name_plural = _("revocation notices")

    def __str__(self) -> str:
        return str(self.session_id or self.user_id or "everybody")
