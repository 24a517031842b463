"""The command that makes a key: what it prints works as it stands, and stays its owner's."""

import ast
import io
import stat

import pytest
from django.core.management import CommandError, call_command

from tests.test_key_checks import reported
from token_lifecycle import lifecycle, tokens
from token_lifecycle.checks.keys import HMAC_KEY_BYTES
from token_lifecycle.management.commands import make_signing_key

ALGORITHMS = [*make_signing_key.ASYMMETRIC, *HMAC_KEY_BYTES]


def make(*arguments):
    out, told = io.StringIO(), io.StringIO()
    call_command("make_signing_key", *arguments, stdout=out, stderr=told, no_color=True)
    return out.getvalue(), told.getvalue()


def entry_of(told, private):
    """What it says to set, as Python reads it."""
    _, _, setting = told.partition("TOKEN_LIFECYCLE = ")
    setting = setting.replace('"…"', repr(private))
    [entry] = ast.literal_eval(setting)["SIGNING_KEYS"]
    return entry


@pytest.mark.django_db
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_it_says_to_set_signs_verifies_and_passes_the_checks(algorithm, settings, user):
    entry = entry_of(*reversed(make("--algorithm", algorithm)))
    entry["SIGNING_KEY"] = entry["SIGNING_KEY"].strip()
    assert reported(entry, deploy=True) == []
    settings.TOKEN_LIFECYCLE = {"SIGNING_KEYS": [entry]}
    assert tokens.parse_access(lifecycle.start_session(user).access)


def test_the_key_alone_goes_to_standard_output_and_the_advice_does_not():
    private, told = make()
    assert private.startswith("-----BEGIN PRIVATE KEY-----")
    assert private.strip() not in told
    assert "PUBLIC KEY" in told


def test_a_file_belongs_to_its_owner_alone_and_nothing_secret_is_printed(tmp_path):
    path = tmp_path / "key.pem"
    printed, told = make("--out", str(path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "PRIVATE" in path.read_text()
    assert printed == ""
    assert "PRIVATE" not in told
    assert f'Path("{path}").read_text()' in told


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    path = tmp_path / "key.pem"
    path.write_text("the key in use")
    with pytest.raises(CommandError, match="cannot be written"):
        make("--out", str(path))
    assert path.read_text() == "the key in use"


def test_two_keys_differ_in_name_and_substance():
    (one, first), (two, second) = make("--algorithm", "HS256"), make("--algorithm", "HS256")
    assert one != two
    assert entry_of(first, one)["KID"] != entry_of(second, two)["KID"]


def test_a_name_may_be_given():
    private, told = make("--kid", "summer")
    assert entry_of(told, private)["KID"] == "summer"


@pytest.mark.parametrize("kid", ['a"b', "back\\slash", "a\nb", "{x}", "Schlüssel", "\U0001f511"])
def test_what_it_says_to_set_is_python_whatever_the_name_is(kid):
    private, told = make("--kid", kid)
    assert entry_of(told, private)["KID"] == kid


def test_the_file_is_named_so_that_it_is_found_from_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, told = make("--out", "key.pem")
    assert f'Path("{tmp_path}/key.pem").read_text()' in told


def test_without_cryptography_a_key_pair_is_refused_and_a_secret_is_made(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(CommandError, match="need cryptography"):
        make("--algorithm", "EdDSA")
    assert make("--algorithm", "HS256")[0].strip()
