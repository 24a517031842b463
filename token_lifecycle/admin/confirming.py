"""The page that stands before everything that ends or removes sessions: it names what will go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import django
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest
from django.template.response import TemplateResponse

from ..managers import SessionQuerySet
from ..models import Session
from .base import ReadOnlyAdmin
from .columns import device_cell, user_of
from .selection import Selection
from .wording import own_text

#: Django 6.1 made a list of what used to be a line.
CRUMBS_ARE_LIST = django.VERSION >= (6, 1)

#: How many sessions are named; the others are counted.
NAMED = 100

TEMPLATE = "admin/token_lifecycle/session/confirmation.html"

#: The field that tells the answer to the page from the wish that led to it.
CONFIRMED = "confirmed"


@dataclass(frozen=True, kw_only=True)
class Question:
    """What somebody is asked to confirm."""

    title: str
    sessions: SessionQuerySet
    """What it concerns; the first ``NAMED`` are named."""
    count: int
    """How many these are."""
    is_more: bool
    """Whether there are others, which nobody has counted."""
    sentences: Sequence[str]
    """What will happen, counted."""
    button: str
    back: str
    """Where to go on, and where to go when the answer is no."""
    hidden: Sequence[tuple[str, str]] = field(default=())
    """What the form carries along so that the same wish arrives again."""


def is_confirmed(request: HttpRequest) -> bool:
    """Whether this request is the answer, which only a POST can be."""
    return request.method == "POST" and CONFIRMED in request.POST


def is_across(request: HttpRequest) -> bool:
    """Whether all rows of the list are meant, and not those alone that are named."""
    return request.POST.get("select_across") == "1"


def own_sentence(request: HttpRequest, selection: Selection, live: Sequence[Session]) -> list[str]:
    """That whoever asks is about to be signed out, if so."""
    own = getattr(request, "token_session_id", None)
    if own is None:
        return []
    concerned = any(session.pk == own for session in live) or selection.has_beyond(own)
    return [own_text()] if concerned else []


def ask(
    admin: ReadOnlyAdmin[Session], request: HttpRequest, question: Question
) -> TemplateResponse:
    """Show the page."""
    request.current_app = admin.admin_site.name
    rows = question.sessions.select_related("user").order_by("-pk")[:NAMED]
    context = {
        **admin.admin_site.each_context(request),
        "opts": admin.opts,
        "title": question.title,
        "question": question,
        "rows": [
            {"session": row, "user": user_of(row), "device": device_cell(row)} for row in rows
        ],
        "unnamed": max(question.count - NAMED, 0),
        "confirmed": CONFIRMED,
        "crumbs_are_list": CRUMBS_ARE_LIST,
    }
    return TemplateResponse(request, TEMPLATE, context)


def wish_of(request: HttpRequest, action: str) -> list[tuple[str, str]]:
    """The fields that select the same rows for the same action again.

    A selection across all pages travels as such: ten thousand fields would be refused by
    ``DATA_UPLOAD_MAX_NUMBER_FIELDS``.
    """
    keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
    across = request.POST.get("select_across", "0")
    if is_across(request):
        keys = keys[:1]
    selection = [(ACTION_CHECKBOX_NAME, key) for key in keys]
    return [("action", action), ("select_across", across), *selection]
