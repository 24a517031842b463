"""Ties the app into Django when all models are loaded."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TokenLifecycleConfig(AppConfig):
    name = "token_lifecycle"
    verbose_name = _("Sign-ins")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, logs, receivers

        checks.register_all()
        receivers.connect()
        logs.connect()
