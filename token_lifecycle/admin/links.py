"""The addresses of other pages of the admin, empty where they would be refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from ..models import Session


def page_url(site: AdminSite, model: type[Model], page: str, *args: Any, **query: Any) -> str:
    """The address of one of a model's pages, with a query."""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
    url = reverse(name, args=args, current_app=site.name)
    return f"{url}?{urlencode(query)}" if query else url


def user_url(site: AdminSite, request: HttpRequest, user: Any) -> str:
    """The page of a user, for whoever may look at it."""
    model = get_user_model()
    if user is None or not site.is_registered(model):
        return ""
    if not site.get_model_admin(model).has_view_or_change_permission(request, user):
        return ""
    return page_url(site, model, "change", quote(user.pk))


def sessions_url(site: AdminSite, user_id: Any) -> str:
    """The list of all sessions of a user."""
    return page_url(site, Session, "changelist", user=user_id)


def session_url(site: AdminSite, session_id: Any) -> str:
    """The page of a session."""
    return page_url(site, Session, "change", session_id)
