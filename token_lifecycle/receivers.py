"""What this app listens to: changes of the user model.

Connected by the app's ``ready``. Only models that share a table with users are listened to: a
receiver for every model would take the fast path from every delete of the project. And only in the
database that sessions are in: a copy of a user elsewhere, an archive, has no sessions.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import signals as model_signals

from . import journal, user_changes
from .binding import is_column

#: Set on an instance once its password was set or re-hashed. Both leave ``_password`` as None, and
#: a later direct assignment on the same instance must not pass for a re-hash.
PASSWORD_TOUCHED = "_token_lifecycle_password_touched"  # nosec B105  # an attribute


def connect() -> None:
    """Connect every receiver; called once, when all models are loaded."""
    user_tables = _tables(get_user_model())
    for model in apps.get_models():
        if not user_tables.isdisjoint(_tables(model)):
            model_signals.pre_save.connect(before_user_is_saved, sender=model)
            model_signals.post_save.connect(after_user_is_saved, sender=model)
            model_signals.pre_delete.connect(before_user_is_deleted, sender=model)


def before_user_is_saved(
    sender: type,
    instance: Any,
    raw: bool,
    using: str,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
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
        user = _user_of(instance, using)
        if user is not None:
            user.password = instance.password
            user_changes.password_about_to_be_rehashed(user)
            instance.password = user.password
            if hasattr(user, user_changes.HASH_ADOPTED):
                setattr(instance, user_changes.HASH_ADOPTED, True)


def after_user_is_saved(
    sender: type,
    instance: Any,
    raw: bool,
    created: bool,
    using: str,
    update_fields: frozenset[str] | None,
    **kwargs: Any,
) -> None:
    """End what a new password or a deactivation ends."""
    if instance._password is not None:
        setattr(instance, PASSWORD_TOUCHED, True)
    user = None if raw or created else _user_of(instance, using)
    if user is None:
        return
    if _saved(type(user), "is_active", update_fields) and not _is_active(user):
        user_changes.user_deactivated(user)
    elif _saved(type(user), "password", update_fields):
        user_changes.password_saved(user)


def before_user_is_deleted(sender: type, instance: Any, using: str, **kwargs: Any) -> None:
    """End the sessions of a user who is being deleted, while they can still be found."""
    user = _user_of(instance, using)
    if user is not None:
        user_changes.user_about_to_be_deleted(user)


def _tables(model: type[Any]) -> set[type[Any]]:
    """The models that hold the columns of ``model``: it, or what it is a proxy of, and its parents.

    Of parents those that are users themselves, and no table that half a project has its ids from.
    """
    parents = (each._meta.concrete_model for each in model._meta.get_parent_list())
    users = (each for each in parents if issubclass(each, AbstractBaseUser))
    return {model._meta.concrete_model, *users}


def _user_of(instance: Any, using: str) -> Any:
    """The user whose row was touched; None: nobody's whose sessions are in this database.

    An instance of another model on the same row is read again as the user model has it, for that
    one says what the columns mean: a proxy may work out in a way of its own whether somebody is
    active, and what sessions are bound to.
    """
    if using != journal.database():
        return None
    user_model = get_user_model()
    if isinstance(instance, user_model):
        return instance
    shared = next(each for each in _tables(user_model) if isinstance(instance, each))
    key = shared._meta.pk
    users = user_model._base_manager.using(using)
    return users.filter(**{key.name: getattr(instance, key.attname)}).first()


def _is_active(user: Any) -> bool:
    """As the columns are now; a ``cached_property`` may remember how they were before."""
    worked_out = getattr(getattr(type(user), "is_active", None), "func", None)
    return bool(user.is_active if worked_out is None else worked_out(user))


def _saved(model: type, field: str, update_fields: frozenset[str] | None) -> bool:
    if update_fields is None or field in update_fields:
        return True
    # What is no column is worked out from others, and from which cannot be known: any.
    return not is_column(model, field)
