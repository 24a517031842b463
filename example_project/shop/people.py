"""The people of the demo, and the sessions they come with.

Every session is made by the verbs a project would call, with ``now=`` in the past: what staff see
in the admin, the trail of events included, is what such a life leaves behind.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model

from token_lifecycle import lifecycle
from token_lifecycle.device import Device
from token_lifecycle.exceptions import TokenReused
from token_lifecycle.models import RevocationReason, Session, SessionStatus

PASSWORD = "paper-and-ink"
STAFF = "admin"
CUSTOMERS = ("anna", "bruno", "carla")

PHONE = Device(
    name="Anna's phone",
    ip_address="198.51.100.23",
    user_agent="PaperShop/4.2 (iPhone; iOS 19.1)",
)
LAPTOP = Device(
    name="Laptop at work",
    ip_address="203.0.113.80",
    user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
)
TABLET = Device(
    name="Kitchen tablet",
    ip_address="2001:db8:40::1f",
    user_agent="Mozilla/5.0 (Linux; Android 15; SM-X710) AppleWebKit/537.36 Chrome/140.0",
)
LIBRARY = Device(
    name="Library computer",
    ip_address="192.0.2.14",
    user_agent="Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Edg/140.0",
)
THIEF = Device(ip_address="192.0.2.66", user_agent="curl/8.5.0")


def use(user, device, now, *, signed_in, then=()):
    """Sign in ``signed_in`` ago and refresh as long ago as ``then`` says."""
    issued = lifecycle.start_session(user, device=device, now=now - signed_in)
    for ago in then:
        issued = lifecycle.rotate(issued.refresh, device=device, now=now - ago)
    return issued


def live(user, device, now):
    return use(user, device, now, signed_in=days(6), then=(days(4), days(1), hours(2)))


def idle(user, device, now):
    return use(user, device, now, signed_in=days(21), then=(days(20), days(16)))


def expired(user, device, now):
    return use(user, device, now, signed_in=days(31), then=(days(22), days(12), days(2)))


def logged_out(user, device, now):
    issued = use(user, device, now, signed_in=days(9), then=(days(8),))
    lifecycle.revoke_by_token(issued.refresh, device=device, now=now - days(8) + hours(1))
    return issued


def ended_by_staff(user, device, now):
    issued = use(user, device, now, signed_in=days(3))
    lifecycle.revoke_session(
        issued.session.pk,
        reason=RevocationReason.ADMIN,
        actor=get_user_model().objects.get_by_natural_key(STAFF),
        now=now - days(2),
    )
    return issued


def reused(user, device, now):
    """The first refresh token is stolen, and presented when its owner has long moved on."""
    stolen = use(user, device, now, signed_in=days(2)).refresh
    lifecycle.rotate(stolen, device=device, now=now - days(1))
    try:
        lifecycle.rotate(stolen, device=THIEF, now=now - hours(20))
    except TokenReused as refusal:
        return refusal


def days(number):
    return timedelta(days=number)


def hours(number):
    return timedelta(hours=number)


@dataclass(frozen=True)
class Sample:
    """A session as it should be found, and how it gets there."""

    username: str
    device: Device
    status: SessionStatus
    make: Callable

    def exists(self, now: datetime) -> bool:
        named = Session.objects.filter(user__username=self.username, device_name=self.device.name)
        return any(session.status(now) == self.status for session in named)


SAMPLES = (
    Sample("anna", PHONE, SessionStatus.LIVE, live),
    Sample("anna", LAPTOP, SessionStatus.LIVE, live),
    Sample("anna", LIBRARY, SessionStatus.ENDED, logged_out),
    Sample("bruno", LAPTOP, SessionStatus.LIVE, live),
    Sample("bruno", TABLET, SessionStatus.IDLE, idle),
    Sample("bruno", LIBRARY, SessionStatus.EXPIRED, expired),
    Sample("carla", TABLET, SessionStatus.LIVE, live),
    Sample("carla", LAPTOP, SessionStatus.ENDED, ended_by_staff),
    Sample("carla", LIBRARY, SessionStatus.ENDED, reused),
)


def make_people(now: datetime) -> None:
    """Make everybody and their sessions; what is there already is left alone."""
    welcome(STAFF, is_staff=True, is_superuser=True)
    users = {name: welcome(name) for name in CUSTOMERS}
    for sample in SAMPLES:
        if not sample.exists(now):
            sample.make(users[sample.username], sample.device, now)


def welcome(username, **flags):
    """A user who can sign in with ``PASSWORD``, also after it was changed on the page."""
    known = {"email": f"{username}@example.com", **flags}
    user, created = get_user_model().objects.get_or_create(username=username, defaults=known)
    if created or not user.check_password(PASSWORD):
        user.set_password(PASSWORD)
        user.save()
    return user
