"""What the standards ask of the log and no other test shows (see docs/standards.md)."""

import logging

import pytest

from token_lifecycle.testing import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", ["nobody", None], ids=["unknown user", "wrong password"])
def test_a_refused_sign_in_is_a_warning_that_names_the_address_alone(api, user, caplog, name):
    """LOG-01 (ASVS 16.3.1); without the name, for people type their password there (16.2.5)."""
    name = name or user.get_username()
    body = {"username": name, "password": PASSWORD + "!"}
    api.post("/auth/obtain/", body, REMOTE_ADDR="192.0.2.7")
    (record,) = [record for record in caplog.records if record.name == "token_lifecycle"]
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "sign-in refused: address=192.0.2.7"
    assert name not in str(record.__dict__)
