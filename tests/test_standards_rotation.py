"""What the standards ask of rotation and no other test shows (see docs/standards.md)."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sign_ins import GRACE, SECOND, kinds, stored
from token_lifecycle import lifecycle
from token_lifecycle.exceptions import SessionRevoked, TokenReused
from token_lifecycle.models import EventKind, RevocationReason

ROOT = Path(__file__).parent.parent


@pytest.mark.django_db
@pytest.mark.parametrize("back", [1, 2, 3])
def test_each_token_that_was_ever_used_ends_the_session_when_it_comes_back(user, clock, back):
    """ROT-04 (RFC 9700 §4.14.2): the lineage is kept, and not only the last link of it."""
    line = [lifecycle.start_session(user)]
    for _ in range(3):
        clock.shift(GRACE + SECOND)
        line.append(lifecycle.rotate(line[-1].refresh))
    clock.shift(GRACE + SECOND)
    with pytest.raises(TokenReused):
        lifecycle.rotate(line[-1 - back].refresh)
    assert stored(line[0]).revocation_reason == RevocationReason.REUSE_DETECTED
    assert kinds().count(EventKind.REUSE_DETECTED) == 1
    with pytest.raises(SessionRevoked):
        lifecycle.rotate(line[-1].refresh)


INCOMPLETE = """
from django.conf import settings
settings.configure(SECRET_KEY="x" * 50, INSTALLED_APPS=[
    "django.contrib.auth", "django.contrib.contenttypes", "rest_framework",
])
import django
django.setup()
import token_lifecycle.{module}
"""


@pytest.mark.parametrize("module", ["urls", "browser_urls", "authentication", "lifecycle"])
def test_without_the_app_installed_nothing_of_it_can_be_used(module):
    """ROT-16: what invalidates tokens is never silently off while tokens are handed out."""
    code = INCOMPLETE.format(module=module)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "isn't in an application in INSTALLED_APPS" in done.stderr
