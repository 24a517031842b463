"""What is installed for development is locked: the very versions, by the hashes of their files."""

import itertools
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import dev
from requirements import audit
from requirements.compile import EXTRAS, LOCKS, PARTS

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROMISED = PROJECT["project"]["dependencies"]
OPTIONAL = PROJECT["project"]["optional-dependencies"]
GROUPS = PROJECT["dependency-groups"]
RELEVANT = [name.removeprefix("--extra=") for name in EXTRAS]
INSTALLED_BY_EXTRAS = [line for name in RELEVANT for line in OPTIONAL[name]]

#: What each lock has to satisfy, from pyproject.toml.
WANTED = {
    "build": GROUPS["build"],
    "demo": PROMISED,
    "test": [*PROMISED, *GROUPS["test"]],
    "lint": [*PROMISED, *GROUPS["test"], *GROUPS["lint"]],
    "development": [*PROMISED, *INSTALLED_BY_EXTRAS, *itertools.chain(*GROUPS.values())],
    "lowest": [*PROMISED, *INSTALLED_BY_EXTRAS, *GROUPS["test"], *GROUPS["build"]],
}


def entries(lock):
    """Each requirement of a lock, with the lines that belong to it."""
    text = (LOCKS / f"{lock}.txt").read_text()
    lines = re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE)
    return re.split(r"\n(?=\S)", lines.strip())


def pinned(lock):
    """``(name, extras, version)`` of each entry."""
    for entry in entries(lock):
        name, extras, version = re.match(r"([\w.-]+)(?:\[(.+)\])?==([^\s;]+)", entry).groups()
        yield canonicalize_name(name), set((extras or "").split(",")), version


def pins(lock):
    """``{name: [versions]}``: one for each Python that needs its own."""
    found = {}
    for name, _, version in pinned(lock):
        found.setdefault(name, []).append(version)
    return found


def test_every_lock_is_one_that_is_made():
    assert {lock.stem for lock in LOCKS.glob("*.txt")} == set(WANTED)
    assert set(PARTS) < set(WANTED)


@pytest.mark.parametrize("lock", WANTED)
def test_a_package_that_is_wanted_with_an_extra_is_locked_with_it(lock):
    # Of "coverage[toml]" pip before 23.3 takes the newest version there is, whatever version of
    # "coverage" is locked, and then refuses it for want of a hash.
    locked = {name: extras for name, extras, _ in pinned(lock)}
    wanting = [one for one in metadata.distributions() if canonicalize_name(one.name) in locked]
    wanted = [Requirement(line) for one in wanting for line in one.requires or ()]
    without = [
        str(one)
        for one in wanted
        if one.extras
        and canonicalize_name(one.name) in locked
        and (one.marker is None or one.marker.evaluate({"extra": ""}))
        and not one.extras <= locked[canonicalize_name(one.name)]
    ]
    assert without == [], "run: python3 dev.py lock"


@pytest.mark.parametrize("lock", WANTED)
def test_every_line_names_one_version_and_the_hashes_of_its_files(lock):
    shape = r"[\w.-]+(\[[\w,-]+\])?==[^\s;]+( ; [^\\]+)?( \\\n +--hash=sha256:[0-9a-f]{64})+"
    assert [entry for entry in entries(lock) if not re.fullmatch(shape, entry)] == []


@pytest.mark.parametrize("lock", WANTED)
def test_a_lock_names_no_place_of_the_machine_that_wrote_it(lock):
    assert (
        re.findall(r"://|--index|--find-links|[ =]/\w+", (LOCKS / f"{lock}.txt").read_text()) == []
    )


@pytest.mark.parametrize("lock", WANTED)
def test_what_pyproject_asks_for_is_locked_in_a_version_that_it_allows(lock):
    locked = pins(lock)
    wrong = []
    for wanted in map(Requirement, WANTED[lock]):
        versions = locked.get(canonicalize_name(wanted.name), [])
        if not versions or not all(map(wanted.specifier.contains, versions)):
            wrong.append(str(wanted))
    assert wrong == [], "run: python3 dev.py lock"


@pytest.mark.parametrize("part", PARTS)
def test_the_parts_agree_with_the_whole(part):
    whole = pins("development")
    assert {name: set(of) - set(whole[name]) for name, of in pins(part).items()} == {
        name: set() for name in pins(part)
    }


@pytest.mark.parametrize("line", [*PROMISED, *INSTALLED_BY_EXTRAS])
def test_the_lowest_lock_has_the_lowest_version_that_is_promised(line):
    wanted = Requirement(line)
    (bound,) = (one for one in wanted.specifier if one.operator == ">=")
    (version,) = pins("lowest")[canonicalize_name(wanted.name)]
    # "5.2" is followed by 5.2, and where there was no such release, by the first after it.
    assert (version + ".").startswith(bound.version + "."), (version, str(bound))


def test_every_task_installs_a_lock():
    assert {lock for lock, _ in dev.TASKS.values()} <= set(WANTED)


@pytest.fixture
def service(monkeypatch):
    """A stand-in for the advisories: ``{pin: ids}``; ``None`` where nobody answers."""
    monkeypatch.delenv("TOKEN_LIFECYCLE_REQUIRE_AUDIT", raising=False)

    def answering(advisories):
        def ask(asked):
            if advisories is None:
                return [{"name": pin, "skip_reason": "not found"} for pin in asked]
            return [
                {
                    "name": pin.partition("==")[0],
                    "version": pin.partition("==")[2],
                    "vulns": [{"id": weakness} for weakness in advisories.get(pin, [])],
                }
                for pin in asked
            ]

        monkeypatch.setattr(audit, "ask", ask)

    return answering


def test_an_audit_finds_a_weakness_of_any_version_that_is_locked(service, capsys):
    # Of Django there are two, for different Pythons, and only one is installed at a time.
    for version in pins("development")["django"]:
        service({audit.KNOWN: ["known"], f"django=={version}": ["CVE-1"]})
        assert audit.main() == 1
        assert f"django: {version} has CVE-1" in capsys.readouterr().out


def test_an_audit_is_content_with_silence_only_from_one_who_speaks(service, capsys):
    service({audit.KNOWN: ["known"]})
    assert audit.main() == 0
    assert "No published weakness" in capsys.readouterr().out
    service({})
    assert audit.main() == 0
    assert "NOT AUDITED" in capsys.readouterr().out


def test_without_advisories_an_audit_fails_where_it_is_required(service, monkeypatch, capsys):
    service(None)
    assert audit.main() == 0
    monkeypatch.setenv("TOKEN_LIFECYCLE_REQUIRE_AUDIT", "1")
    assert audit.main() == 1
    assert "NOT AUDITED" in capsys.readouterr().out


def test_a_package_that_the_advisories_do_not_know_is_not_taken_for_a_safe_one(
    service, monkeypatch, capsys
):
    service({audit.KNOWN: ["known"]})
    answer = audit.ask
    unknown = {"name": "django", "skip_reason": "not known here"}
    monkeypatch.setattr(
        audit, "ask", lambda asked: [unknown] if audit.KNOWN not in asked else answer(asked)
    )
    assert audit.main() == 1
    assert "django: not known here" in capsys.readouterr().out


def test_every_exception_from_the_security_rules_names_its_rule_and_its_reason():
    lines = [
        line
        for room in (ROOT / "token_lifecycle").rglob("*.py")
        for line in room.read_text().splitlines()
        if "nosec" in line
    ]
    assert lines
    assert [line for line in lines if not re.search(r"# nosec B\d{3}  # \S+", line)] == []
