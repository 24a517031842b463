"""The suite's settings, for a server process of its own: see ``live_server``."""

import os
from datetime import timedelta

from tests.settings import *  # noqa: F403
from tests.settings import TOKEN_LIFECYCLE as SUITE

ROOT_URLCONF = "tests.client.live_urls"

TOKEN_LIFECYCLE = {
    **SUITE,
    "REUSE_GRACE_PERIOD": timedelta(seconds=int(os.environ["LIVE_GRACE"])),
}
