"""What this app listens to: changes of the user model.

Connected by the app's ``ready``. Only the user model and its subclasses are listened to: a
receiver for every model would take the fast path from every delete of the project.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import signals as model_signals

from . import user_changes

#: Set on an instance once its password was set or re-hashed. Both leave ``_password`` as None, and
#: a later direct assignment on the same instance must not pass for a re-hash.
PASSWORD_TOUCHED = "_token_lifecycle_password_touched"  # nosec B105  # an attribute


def connect() -> None:
    """Connect every receiver; called once, when all models are loaded."""
    user_model = get_user_model()
    for model in apps.get_models():
        if issubclass(model, user_model):
            model_signals.pre_save.connect(before_user_is_saved, sender=model)
            model_signals.post_save.connect(after_user_is_saved, sender=model)
            model_signals.pre_delete.connect(before_user_is_deleted, sender=model)


def before_user_is_saved(
    sender: type, instance: Any, raw: bool, update_fields: frozenset[str] | None, **kwargs: Any
) -> None:
    """Recognise the re-hash of an unchanged password, which must log nobody out.

    At sign-in ``check_password`` stores a stronger hash when the hasher asks for one: with
    ``update_fields=["password"]``, and with ``_password`` set on the instance and None again.
    """
    rehash = (
        not raw
        and update_fields is not None
        and set(update_fields) == {"password"}
        and instance.__dict__.get("_password", "absent") is None
        and not hasattr(instance, PASSWORD_TOUCHED)
    )
    if rehash:
        setattr(instance, PASSWORD_TOUCHED, True)
        user_changes.password_about_to_be_rehashed(instance)


def after_user_is_saved(
    sender: type,
    instance: Any,
    raw: bool,
    created: bool,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    """End what a new password or a deactivation ends."""
    if instance._password is not None:
        setattr(instance, PASSWORD_TOUCHED, True)
    if raw or created:
        return
    if _saved(sender, "is_active", update_fields) and not instance.is_active:
        user_changes.user_deactivated(instance)
    elif _saved(sender, "password", update_fields):
        user_changes.password_saved(instance)


def before_user_is_deleted(sender: type, instance: Any, **kwargs: Any) -> None:
    """End the sessions of a user who is being deleted, while they can still be found."""
    user_changes.user_about_to_be_deleted(instance)


def _saved(model: type, field: str, update_fields: frozenset[str] | None) -> bool:
    if update_fields is None or field in update_fields:
        return True
    # What a property is worked out from cannot be known: any column.
    return isinstance(getattr(model, field, None), property)
