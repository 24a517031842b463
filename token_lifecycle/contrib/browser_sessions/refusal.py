"""A sign-in that is refused although the password was right, and the page that says why."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.template import TemplateDoesNotExist
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from token_lifecycle.models import EventKind

TEMPLATE = "token_lifecycle/devices/refused.html"


class SessionLimitRefusal(PermissionDenied):
    """The user has as many sessions as allowed."""


def page_of(request: Any) -> HttpResponse | None:
    """The page, in the layout of "Your devices"; None for a project without such templates."""
    context = {
        "title": capfirst(EventKind.LIMIT_REACHED.label),
        "reason": refusal_text(),
        "here": request.get_full_path(),
    }
    try:
        return render(request, TEMPLATE, context, status=403)
    except TemplateDoesNotExist:
        return None  # Django has an answer of its own


def refusal_text() -> str:
    """What the person can do."""
    return _("You are signed in on as many devices as allowed. Sign out on one of them first.")
