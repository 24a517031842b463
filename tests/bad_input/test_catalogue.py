"""The whole catalogue at every door: never a 5xx, JSON with a code, nothing written or let out.

``tests.test_bad_input`` has the forged tokens, and tells more precisely what is answered to them.
"""

from itertools import count

import pytest

from tests.bad_input.catalogue import (
    FORM,
    bodies,
    credentials,
    forms,
    headers,
    ids,
    naughty,
    queries,
)
from tests.bad_input.doors import DOORS, Attempt, Stage

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


def test_more_fields_than_a_form_may_have_are_refused_unread():
    form = "action=end_selected&confirmed=yes" + "&_selected_action=1" * 10_000
    stage = Stage()
    door = "POST /admin/token_lifecycle/session/"
    attempt = Attempt(door=door, body=form.encode(), content_type=FORM, statuses=frozenset({400}))
    assert stage.faults(attempt) == []
