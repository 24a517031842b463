"""Listens to sign-ins and logouts of ``django.contrib.auth``."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BrowserSessionsConfig(AppConfig):
    name = "token_lifecycle.contrib.browser_sessions"
    label = "token_lifecycle_browser_sessions"
    verbose_name = _("Sign-ins in browsers")

    def ready(self) -> None:
        from . import checks, receivers

        checks.register_all()
        receivers.connect()
