"""Five lines that a project writes to mail people about sign-ins; here to the terminal."""

from django.apps import AppConfig
from django.core.mail import send_mail

from token_lifecycle.signals import session_started


class ShopConfig(AppConfig):
    name = "example_project.shop"

    def ready(self):
        session_started.connect(mail_the_sign_in)


def mail_the_sign_in(sender, session, user, device, **kwargs):
    if user.email and device:
        client = session.device_name or device.user_agent or "an unknown device"
        text = f"Somebody signed in as {user} from {client} ({device.ip_address})."
        send_mail("New sign-in", text, "shop@example.com", [user.email])
