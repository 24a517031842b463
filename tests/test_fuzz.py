"""The targets of the fuzzer: they hold for their seeds, and notice what they are there for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forging import forge
from tests.fuzz import __main__ as fuzzer
from tests.fuzz import targets
from tests.fuzz.targets import CLAIMS, GAP, HEADER, SEEDS, TARGETS
from token_lifecycle import keys, tokens
from token_lifecycle.parsers import StrictJSONParser

ROOT = Path(__file__).parent.parent
SOME = [(target, seed) for target, seeds in SEEDS.items() for seed in seeds]


def test_every_target_can_be_asked_for():
    assert tuple(TARGETS) == fuzzer.NAMES


@pytest.mark.parametrize(("target", "seed"), SOME, ids=lambda value: getattr(value, "__name__", ""))
def test_a_target_holds_for_its_seeds(target, seed):
    target(seed)


def test_some_of_the_seeds_are_tokens_that_are_good():
    assert tokens.parse_refresh(forge(CLAIMS), now=targets.NOW)
    assert tokens.parse_access(forge({**CLAIMS, "token_type": "access"}))


def test_a_token_that_nobody_signed_is_noticed_where_it_is_accepted(monkeypatch):
    unsigned = forge(CLAIMS).rpartition(".")[0] + "." + "A" * 43
    monkeypatch.setattr(keys.KeyRing, "decode", lambda ring, text: dict(CLAIMS))
    with pytest.raises(AssertionError):
        targets.codec(unsigned.encode())


@pytest.mark.parametrize(
    ("changed", "weaker"),
    [
        ({"gen": True}, {"read_generation": lambda claims: claims["gen"]}),
        ({"sec": "short"}, {"read_secret": lambda claims: claims["sec"]}),
        ({"user_id": "\0"}, {"read_text": lambda claims, name, length: claims[name]}),
    ],
    ids=["gen", "sec", "user_id"],
)
def test_a_claim_of_the_wrong_kind_is_noticed_where_it_is_accepted(monkeypatch, changed, weaker):
    for name, check in weaker.items():
        monkeypatch.setattr(tokens, name, check)
    with pytest.raises(AssertionError):
        targets.codec(HEADER + GAP + json.dumps({**CLAIMS, **changed}).encode())


def test_an_error_that_nobody_documented_gets_out(monkeypatch):
    monkeypatch.setattr(tokens, "canonical_uuid", lambda text: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        targets.uuid(b"x")
    monkeypatch.setattr(StrictJSONParser, "parse", lambda *args, **kwargs: float("nan"))
    with pytest.raises(AssertionError, match="NaN"):
        targets.body(b"NaN")


@pytest.mark.parametrize(
    ("name", "weaker"),
    [
        ("tests.fuzz.targets.bearer_token", lambda request: "x"),
        ("token_lifecycle.device.clean", lambda text, length: text),
    ],
    ids=["bearer", "device"],
)
def test_a_header_that_is_misread_is_noticed(monkeypatch, name, weaker):
    monkeypatch.setattr(name, weaker)
    with pytest.raises(AssertionError):
        targets.request_headers(GAP.join([b"Basic x", b"", b"a\nb", b""]))


def test_a_finding_can_be_run_again(tmp_path):
    found = tmp_path / "finding"
    found.write_bytes(SEEDS[targets.codec][0])
    command = [sys.executable, "-m", "tests.fuzz", "codec", "--replay", str(found)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("given", [["nonsense"], ["codec", "nonsense"]])
def test_a_target_that_is_none_is_said_to_be_none(given, capsys):
    with pytest.raises(SystemExit):
        fuzzer.arguments(given)
    assert "no target: nonsense" in capsys.readouterr().err
