"""The page about the standards is complete, counts right, and names tests that exist."""

import ast
import re
from collections import Counter
from functools import cache

import pytest

from .pages import PAGES, ROOT, SOURCES, code_in

PAGE = PAGES["docs/standards.md"]

#: How many rows each area has; they are numbered from 1.
AREAS = {
    "ROT": 16,
    "REV": 16,
    "JWT": 26,
    "HTTP": 20,
    "COOK": 19,
    "SES": 8,
    "ADM": 8,
    "ENUM": 3,
    "LOG": 4,
    "LIFE": 5,
    "INT": 2,
    "DPOP": 2,
    "EVT": 2,
    "DOC": 1,
}
IDS = [f"{area}-{n:02}" for area, rows in AREAS.items() for n in range(1, rows + 1)]

ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in PAGE.splitlines()
    if re.match(r"\| [A-Z]+-\d+ \|", line)
]


#: Whatever the code calls something, modules included.
NAMES = set(re.findall(r"\w+", SOURCES)) | {
    path.stem for path in (ROOT / "token_lifecycle").rglob("*") if path.suffix in ("", ".py")
}


def kind(where):
    """Whether a row is met; if not, whether in another way or not at all."""
    found = re.match(r"\*\*(Otherwise|Not offered)\*\*", where)
    return found[1].lower() if found else "met"


@cache
def in_file(path):
    """The ids of the tests that a file always has, whatever the database and the machine."""
    body = ast.parse((ROOT / path).read_text()).body
    names = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    for node in body:
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{n.name}" for n in node.body if isinstance(n, ast.FunctionDef)}
    return {name for name in names if name.rpartition("::")[2].startswith("test_")}


def test_every_row_is_there_once_and_in_order():
    assert [name for name, *_ in ROWS] == IDS


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_every_row_is_met_or_explained(row):
    _, source, asked, severity, where, tests = row
    assert source
    assert asked
    assert severity in ("must", "should", "nice")
    match kind(where):
        case "met":
            assert code_in(tests)
        case "otherwise":
            assert code_in(tests)
            assert "Risk: " in where
        case "not offered":
            assert severity == "nice"
            assert "Risk: " in where or "as above" in where


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_every_test_that_is_named_exists(row):
    for named in code_in(row[-1]):
        path, _, name = named.partition("::")
        assert name in in_file(path), named


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_every_name_of_the_code_is_there(row):
    for named in code_in(row[4]):
        for name in re.findall(r"[A-Za-z_]{3,}", named):
            assert name in NAMES, named


def test_the_counts_are_right():
    counted = Counter((severity, kind(where)) for _, _, _, severity, where, _ in ROWS)
    for severity in ("must", "should", "nice"):
        numbers = [counted[severity, k] for k in ("met", "otherwise", "not offered")]
        assert line(severity, numbers) in PAGE
    together = Counter(kind(where) for *_, where, _ in ROWS)
    numbers = [together[k] for k in ("met", "otherwise", "not offered")]
    assert line("together", numbers) in PAGE


def line(name, numbers):
    return f"| {' | '.join(map(str, [name, sum(numbers), *numbers]))} |"
