"""``manage.py make_signing_key``: make a key for tokens, and say what to set."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.translation import gettext as _

from token_lifecycle.checks.keys import RSA_KEY_BITS
from token_lifecycle.checks.material import HMAC_KEY_BYTES

ASYMMETRIC = ("EdDSA", "ES256", "ES384", "RS256", "PS256")

SETTINGS = """\
TOKEN_LIFECYCLE = {{
    "SIGNING_KEYS": [
        {{
            "KID": {kid},
            "ALGORITHM": "{algorithm}",
{keys}        }},
        # the keys until now
    ],
}}
"""
ONE_KEY = '            "SIGNING_KEY": {private},{comment}\n'
PAIR = ONE_KEY + '            "VERIFYING_KEY": {public},\n'


class Command(BaseCommand):
    help = (
        "Make a key that signs tokens and print it, or write it to a file that only its owner can "
        "read; then say what to set. Changes nothing by itself."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--algorithm",
            default="EdDSA",
            choices=(*ASYMMETRIC, *HMAC_KEY_BYTES),
            help="default: EdDSA, whose public half others can verify with",
        )
        parser.add_argument("--kid", help="the name of the key (default: today's date and chance)")
        parser.add_argument(
            "--out", type=Path, metavar="FILE", help="write the key there; never over a file"
        )

    def handle(self, *, algorithm: str, kid: str | None, out: Path | None, **options: Any) -> None:
        kid = kid or f"{timezone.now():%Y-%m-%d}-{secrets.token_hex(3)}"
        private, public = _new_key(algorithm)
        if out is None:
            self.stdout.write(private)
        else:
            _write(out, private)
        template = ONE_KEY if algorithm in HMAC_KEY_BYTES else PAIR
        keys = template.format(
            private=f"Path({_quoted(str(out.absolute()))}).read_text()" if out else '"…"',
            comment="" if out else "  # the key above; keep it out of the repository",
            public=f'"""{public}"""',
        )
        self.stderr.write(_("What to set:"))
        self.stderr.write(SETTINGS.format(kid=_quoted(kid), algorithm=algorithm, keys=keys))


def _new_key(algorithm: str) -> tuple[str, str]:
    """A private and a public half in PEM; of an HMAC key the one secret there is.

    :raises CommandError: cryptography is not installed.
    """
    if size := HMAC_KEY_BYTES.get(algorithm):
        return secrets.token_urlsafe(max(size, 64)), ""
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    except ImportError:
        raise CommandError(_("Key pairs need cryptography: pip install cryptography")) from None
    key: Any
    match algorithm:
        case "EdDSA":
            key = ed25519.Ed25519PrivateKey.generate()
        case "ES256":
            key = ec.generate_private_key(ec.SECP256R1())
        case "ES384":
            key = ec.generate_private_key(ec.SECP384R1())
        case _:
            key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_KEY_BITS + 1024)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


def _quoted(text: str) -> str:
    """``text`` as Python reads it, between the quotes that the rest has."""
    return json.dumps(text, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    """Into a new file that is its owner's alone from its first moment.

    :raises CommandError: there is such a file, or no such directory.
    """
    try:
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(text)
    except OSError as error:
        message = _("%(file)s cannot be written: %(why)s.")
        raise CommandError(message % {"file": path, "why": error.strerror}) from error
