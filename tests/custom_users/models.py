"""User models that differ from Django's in everything a session could lean on."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.functional import cached_property


class Users(BaseUserManager):
    def get_by_natural_key(self, username):
        return self.get(**{self.model.USERNAME_FIELD: username})


class Member(AbstractBaseUser):
    """A UUID as the key, an e-mail address to sign in with, and activity that is worked out."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    left_at = models.DateTimeField(null=True)

    objects = Users()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ()

    def __str__(self):
        return self.email

    @property
    def is_active(self):
        return self.left_at is None


class Guest(Member):
    """A member by another name."""

    class Meta:
        proxy = True


class Chief(Member):
    """A member with a table of their own."""

    title = models.CharField(max_length=20)


class Account(AbstractBaseUser):
    """A name as the key, no column for activity, and sessions tied to a second factor as well."""

    handle = models.CharField(primary_key=True, max_length=40)
    second_factor = models.CharField(max_length=40)

    objects = Users()

    USERNAME_FIELD = "handle"
    REQUIRED_FIELDS = ()

    def __str__(self):
        return self.handle

    def get_session_auth_hash(self):
        tied_to = self.password + self.second_factor
        return salted_hmac("account", tied_to, algorithm="sha256").hexdigest()


class PrefixedKey(models.CharField):
    """``usr_…``, and it refuses whatever is no key, as such fields do."""

    def get_prep_value(self, value):
        if value is not None and not str(value).startswith("usr_"):
            raise ValueError("That is no user's key.")
        return super().get_prep_value(value)


def new_key():
    return f"usr_{uuid.uuid4().hex}"


class Customer(AbstractBaseUser):
    """A key of a form of its own, and activity that is worked out once for each instance."""

    id = PrefixedKey(primary_key=True, max_length=40, default=new_key)
    email = models.EmailField(unique=True)
    status = models.CharField(max_length=10, default="open")

    objects = Users()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ()

    def __str__(self):
        return self.email

    @cached_property
    def is_active(self):
        return self.status == "open"


class Visitor(AbstractBaseUser):
    """Nobody signs in with a password here: there is no column for one."""

    id = models.BigAutoField(primary_key=True)
    password = None
    name = models.CharField(max_length=40, unique=True)

    objects = Users()

    USERNAME_FIELD = "name"
    REQUIRED_FIELDS = ()

    def __str__(self):
        return self.name
