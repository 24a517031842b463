"""``python manage.py demo``: makes a database and people, says what to do with them, serves."""

import logging

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.utils import timezone

from example_project.shop.apps import mail_the_sign_in
from example_project.shop.people import CUSTOMERS, PASSWORD, STAFF, make_people
from example_project.shop.walkthrough import walkthrough
from token_lifecycle.signals import session_started

WHERE_TO_LOOK = """
The page to try it all       {host}/
                             sign in as {customers} (password: {password})
The staff's view of it       {host}/admin/
                             sign in as {staff} (password: {password})
"""


class Command(BaseCommand):
    help = "Prepares the example project, says where to look and what to type, and serves it."

    def add_arguments(self, parser):
        parser.add_argument("--addr", default="127.0.0.1:8000", help="where to serve; %(default)s")
        parser.add_argument("--no-serve", action="store_true", help="prepare and print only")

    def handle(self, *, addr, no_serve, verbosity, **options):
        if not settings.DEBUG:
            raise CommandError(
                "demo makes users whose password everybody knows: not without DEBUG."
            )
        if verbosity:
            self.stdout.write("Preparing the database and the people in it ...\n\n")
        call_command("migrate", verbosity=0)
        # What the people did in the past would be logged and mailed as if it happened now.
        logging.disable(logging.WARNING)
        session_started.disconnect(mail_the_sign_in)
        make_people(timezone.now())
        session_started.connect(mail_the_sign_in)
        logging.disable(logging.NOTSET)
        if verbosity:
            self.describe(host_of(addr))
        if not no_serve:
            # The reloader would run all of this a second time.
            call_command("runserver", addr, use_reloader=False, verbosity=verbosity)

    def describe(self, host):
        say = self.stdout.write
        *others, last = CUSTOMERS
        customers = f"{', '.join(others)} or {last}"
        say(self.style.MIGRATE_HEADING("Where to look"))
        say(WHERE_TO_LOOK.format(host=host, customers=customers, staff=STAFF, password=PASSWORD))
        say(self.style.MIGRATE_HEADING("What to type, in another terminal"))
        say("\n" + walkthrough(host) + "\n")


def host_of(addr):
    """The address to type for what runserver calls an addrport: ``host:port`` or ``port``."""
    host, _, port = addr.rpartition(":")
    return f"http://{'127.0.0.1' if host in ('', '0.0.0.0') else host}:{port}"
