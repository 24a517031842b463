"""The pages of the documentation, cut into what the tests look at."""

import re
import types
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
}
README, SETTINGS = PAGES["README.md"], PAGES["docs/settings.md"]
HTTP_API, CONCEPTS = PAGES["docs/http-api.md"], PAGES["docs/concepts.md"]
OPERATIONS = PAGES["docs/operations.md"]
SOURCES = "\n".join(path.read_text() for path in (ROOT / "token_lifecycle").glob("**/*.py"))

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
#: In front of a fence, and not to be seen in the rendered page: what to do with the block.
MARKED = re.compile(r"^( *)<!-- ([\w:. ]+) -->\n\1```\w+\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def blocks(language):
    return [
        pytest.param(dedent(code), id=f"{page}:{text[: found.start()].count(chr(10)) + 1}")
        for page, text in PAGES.items()
        for found in FENCE.finditer(text)
        for _, kind, code in [found.groups()]
        if kind == language
    ]


def marked(mark):
    """The code of every block with this mark, on any page."""
    return [
        dedent(code)
        for text in PAGES.values()
        for _, found, code in MARKED.findall(text)
        if found == mark
    ]


def table(text, heading):
    """The cells of each row of the first table behind a heading, or another line."""
    lines = iter(text.partition(heading)[2].splitlines())
    rows = []
    for line in lines:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif rows:
            break
    return rows[2:]


def code_in(cell):
    return re.findall(r"`([^`]+)`", cell)


def run(code, **names):
    """Run a block of a page as a module of its own; what it has defined."""
    module = types.ModuleType("a_block_of_the_docs")
    module.__dict__.update(names)
    exec(compile(dedent(code), "a block of the docs", "exec"), module.__dict__)
    return module


def the(mark):
    (code,) = marked(mark)
    return code
