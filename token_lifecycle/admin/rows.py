"""Reading, and writing down, the rows an action is about."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.utils import translation
from django.utils.functional import Promise

from .. import journal
from ..managers import SessionQuerySet
from ..models import Session
from .columns import name_of

#: Columns that the admin never reads.
SECRETS = ("secret_digest", "auth_hash", "auth_hash_next")

BATCH = 1000


def plain(sessions: SessionQuerySet) -> SessionQuerySet:
    """The same rows without what only a page needs, on the database that is written to."""
    plain: SessionQuerySet = sessions.select_related(None).order_by()
    return plain.using(journal.database())


def language_of_the_log() -> AbstractContextManager[None]:
    """That of the project: whoever acts has another one than whoever reads."""
    language: AbstractContextManager[None] = translation.override(settings.LANGUAGE_CODE)
    return language


def log(
    request: HttpRequest, sessions: Iterable[Session], flag: int, message: str | Promise = ""
) -> None:
    """Write to the admin log who did it, to which session of whom, and when."""
    actor: Any = request.user
    content_type = ContentType.objects.get_for_model(Session)
    with language_of_the_log():
        entries = [
            LogEntry(
                user=actor,
                content_type=content_type,
                object_id=str(session.pk),
                object_repr=name_of(session)[:200],
                action_flag=flag,
                change_message=str(message),
            )
            for session in sessions
        ]
    # MariaDB accepts statements of 16 MB.
    LogEntry.objects.bulk_create(entries, batch_size=BATCH)
