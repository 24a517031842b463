"""The whole catalogue at every door: never a 5xx, JSON with a code, nothing written or let out.

``tests.test_bad_input`` has the forged tokens, and tells more precisely what is answered to them.
"""

from itertools import count

import pytest

from tests.bad_input.catalogue import bodies, credentials, forms, headers, ids, naughty, queries
from tests.bad_input.doors import DOORS, Stage

#: Of what is tried at pages every so many: they take long, and a prime reaches each in its turn.
THINNED = 13

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.bad_input.urls")]


def sample(attempts):
    """All that is tried at endpoints, and a part of what is tried at pages."""
    at_pages = count()
    for name, attempt in attempts:
        if DOORS[attempt.door].side != "page" or next(at_pages) % THINNED == 0:
            yield name, attempt


@pytest.mark.parametrize(
    "section",
    [bodies, credentials, ids, naughty, headers, queries, forms],
    ids=lambda section: section.__name__,
)
def test_what_is_in_the_catalogue_gets_nowhere_at_any_door(section):
    stage = Stage()
    faults = [
        (attempt.door, name, found)
        for name, attempt in sample(section(stage))
        if (found := stage.faults(attempt))
    ]
    assert faults == []
