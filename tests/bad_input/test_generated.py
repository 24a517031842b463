"""Made-up input at every door: never a 5xx, JSON with a code, nothing written or let out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bad_input import strategies
from tests.bad_input.doors import Stage
from tests.bad_input.strategies import PROFILE, may_be_good
from tests.forging import forge, reforged
from token_lifecycle import lifecycle

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.bad_input.urls")]


@pytest.fixture
def stage():
    return Stage()


@PROFILE
@given(attempt=strategies.at_endpoints())
def test_whatever_comes_to_an_endpoint_gets_an_answer_and_does_nothing(stage, attempt):
    assert stage.faults(attempt) == []


@PROFILE
@given(attempt=strategies.at_pages())
def test_whatever_is_asked_of_a_page_is_shown_or_refused_and_does_nothing(stage, attempt):
    assert stage.faults(attempt) == []


@PROFILE
@given(data=st.data())
def test_a_token_is_good_only_where_it_says_what_the_real_one_says(stage, data):
    """However it was made, and correctly signed as it is."""
    assert stage.faults(data.draw(strategies.tokens(stage))) == []


def test_a_token_says_the_same_unless_a_claim_that_counts_is_another(user):
    token = lifecycle.start_session(user).refresh
    assert may_be_good(token, token, "refresh")
    assert may_be_good(reforged(token, scope="admin"), token, "refresh")
    assert may_be_good(reforged(token, user_id="x"), token, "logout")
    assert not may_be_good(reforged(token, user_id="x"), token, "refresh")
    assert not may_be_good(reforged(token, "sec"), token, "logout")
    assert not may_be_good(forge("[]"), token, "refresh")
    assert not may_be_good("x", token, "refresh")
