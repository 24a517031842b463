"""One sign-in, the moments of its life, and how to look at what became of it."""

from datetime import UTC, datetime, timedelta

import jwt

from token_lifecycle.device import Device
from token_lifecycle.models import Session, SessionEvent

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
GRACE = timedelta(seconds=10)
SECOND = timedelta(seconds=1)
ACCESS_LIFETIME = timedelta(minutes=15)
IDLE = timedelta(days=14)
LIFETIME = timedelta(days=30)

LAPTOP = Device(ip_address="192.0.2.7", user_agent="Laptop/1.0", name="Anna's laptop")
PHONE = Device(ip_address="2001:db8::1", user_agent="Phone/2.0")


def stored(issued):
    return Session.objects.get(pk=issued.session.pk)


def row(session):
    return Session.objects.filter(pk=session.pk).values().get()


def kinds():
    return list(SessionEvent.objects.order_by("pk").values_list("kind", flat=True))


def claims(token):
    return jwt.decode(token, options={"verify_signature": False})
