"""The pages name what is there: each table, code, command and link is held against the code."""

import re
import tomllib
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from django.core.management import get_commands, load_command_class
from django.dispatch import Signal
from rest_framework import exceptions as drf

import dev
import token_lifecycle
from token_lifecycle import api_errors, browser_urls, exceptions, permissions, signals, urls
from token_lifecycle.conf import COOKIE_DEFAULTS, DEFAULTS, THROTTLE_DEFAULTS
from token_lifecycle.models import EventKind, RevocationReason

from .pages import (
    CONCEPTS,
    FENCE,
    HTTP_API,
    OPERATIONS,
    PAGES,
    README,
    ROOT,
    SETTINGS,
    SOURCES,
    code_in,
    marked,
    table,
)


@pytest.mark.parametrize(
    ("text", "heading", "defaults"),
    [
        (SETTINGS, "## The settings", DEFAULTS),
        (SETTINGS, "## The cookie", COOKIE_DEFAULTS),
        (SETTINGS, "## The throttles", THROTTLE_DEFAULTS),
    ],
    ids=["settings", "cookie", "throttles"],
)
def test_every_setting_is_in_the_table_with_the_default_of_the_code(text, heading, defaults):
    stated = {
        code_in(key)[0]: eval(code_in(default)[0], {"timedelta": timedelta})
        for key, default, *_ in table(text, heading)
    }
    assert stated == dict(defaults)


def test_the_keys_of_simplejwt_that_are_read_are_the_ones_named():
    named = [key for cell, *_ in table(SETTINGS, "## SIMPLE_JWT") for key in code_in(cell)]
    read = re.findall(r"(?:simple_jwt|simple)\.get\(\s*\"([A-Z_]+)\"", SOURCES)
    read += re.findall(r"simplejwt_settings\.([A-Z_]+)", SOURCES)
    assert sorted(named) == sorted(set(read))


def test_every_system_check_is_explained_and_no_other():
    package = ROOT / "token_lifecycle"
    rooms = sorted([*package.glob("checks/*.py"), *package.rglob("*checks.py")])
    checks = "".join(room.read_text() for room in rooms)
    exist = set(re.findall(r"\b[EW]\d{3}\b", checks))
    explained = [code_in(number)[0] for number, *_ in table(SETTINGS, "## System checks")]
    assert sorted(explained) == sorted(f"token_lifecycle.{number}" for number in exist)


def test_every_endpoint_is_in_the_readme_and_has_a_section():
    routes = {str(p.pattern).replace("<str:session_id>", "<id>") for p in browser_urls.urlpatterns}
    assert {str(p.pattern) for p in urls.urlpatterns} <= {
        str(p.pattern) for p in browser_urls.urlpatterns
    }
    rows = table(README, "## The endpoints")
    assert {code_in(cell)[0] for cell, *_ in rows} == routes
    headings = "\n".join(line for line in HTTP_API.splitlines() if line.startswith("## "))
    assert [route for route in routes if f"{route}`" not in headings] == []


def subclasses(base):
    return [base, *(deeper for child in base.__subclasses__() for deeper in subclasses(child))]


def codes_of_this_app():
    ours = {
        error.code
        for error in subclasses(exceptions.TokenLifecycleError)
        if error.__module__.startswith("token_lifecycle")
    }
    answers = {
        answer.default_code
        for answer in vars(api_errors).values()
        if isinstance(answer, type)
        and issubclass(answer, drf.APIException)
        and answer is not api_errors.BearerRefused
    }
    literals = set(
        re.findall(r'"code": "(\w+)"', (ROOT / "token_lifecycle/api_errors.py").read_text())
    )
    return ours | answers | literals | {permissions.SignedInRecently.code}


def test_every_error_code_is_explained_and_no_other():
    by_drf = {
        error.default_code
        for error in vars(drf).values()
        if isinstance(error, type) and issubclass(error, drf.APIException)
    }
    _, _, codes = HTTP_API.partition("### Codes")
    codes, _, _ = codes.partition("\n## ")
    explained = {
        cell.strip("`")
        for line in codes.splitlines()
        if line.startswith("|")
        for cell in [c.strip() for c in line.split("|")[1:3]]
        if re.fullmatch(r"`[a-z_]+`", cell)
    }
    assert codes_of_this_app() - explained == set()
    assert explained - codes_of_this_app() - by_drf == set()


def test_every_reason_and_every_signal_is_explained_and_no_other():
    reasons = [r for _, cell in table(CONCEPTS, "## What ends a session") for r in code_in(cell)]
    assert sorted(reasons) == sorted(RevocationReason.values)
    exist = [name for name, value in vars(signals).items() if isinstance(value, Signal)]
    explained = [code_in(name)[0] for name, _ in table(CONCEPTS, "**Signals** are sent")]
    assert sorted(explained) == sorted(exist)
    kinds = [code_in(kind)[0] for kind, _ in table(CONCEPTS, "## Events and signals")]
    assert sorted(kinds) == sorted(EventKind.values)


def test_every_log_line_is_written_somewhere_in_the_code():
    for level, cell, *_ in table(OPERATIONS, "## Watch"):
        methods = {"ERROR": "error|exception"}.get(level, level.lower())
        for begins in code_in(cell):
            told = rf'logger\.({methods})\(\s*"{re.escape(begins)}'
            happened = rf'_log\(logging\.{level},\s*EventKind\.\w+,\s*"{re.escape(begins)}"'
            assert re.search(f"{told}|{happened}", SOURCES), begins


def test_the_browser_examples_use_what_the_client_has():
    types_ = (ROOT / "token_lifecycle/static/token_lifecycle/client.d.ts").read_text()
    interface = re.compile(r"interface (\w+)[^{]*\{\n(.*?)^\}", re.DOTALL | re.MULTILINE)
    members = {
        name: set(re.findall(r"^  (?:readonly )?(\w+)[?(:]", body, re.MULTILINE))
        for name, body in interface.findall(types_)
    }
    examples = marked("client")
    used = {name for code in examples for name in re.findall(r"\bauth\.(\w+)", code)} - {"js"}
    in_the_table = {
        name
        for cell, _ in table(PAGES["docs/browser.md"], "## Use it")
        for name in re.findall(r"auth\.(\w+)", cell)
    }
    assert used <= members["Auth"]
    assert in_the_table == members["Auth"]
    for code in examples:
        for options in re.findall(r"createAuth\(\{(.*?)\}\)", code, re.DOTALL):
            named = set(re.findall(r"(?:^|[,{])\s*(\w+):", options, re.MULTILINE))
            assert named
            assert named <= members["AuthOptions"]


def test_every_command_and_option_named_exists():
    text = "\n".join(PAGES.values())
    demo = ROOT / "example_project/shop/management/commands/demo.py"
    for name, rest in re.findall(r"manage\.py ([a-z_]+)([^`\n]*)", text):
        if name == "demo":
            assert demo.exists()
            continue
        parser = load_command_class(get_commands()[name], name).create_parser("manage.py", name)
        options = {option for action in parser._actions for option in action.option_strings}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, (name, rest)
    for task in re.findall(r"dev\.py (\w+)", text):
        assert task in dev.TASKS


def anchors(text):
    """The ids that a page's headings get, as the usual renderers make them."""
    titles = re.findall(r"^#+ (.*)$", FENCE.sub("", text), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {title.replace(" ", "-") for title in plain}


def links():
    for page, text in PAGES.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text)):
            if not re.match(r"[a-z]+:", target):
                yield pytest.param(page, target, id=f"{page}->{target}")


@pytest.mark.parametrize(("page", "target"), list(links()))
def test_every_link_leads_somewhere(page, target):
    path, _, anchor = target.partition("#")
    file = (ROOT / page).parent / path if path else ROOT / page
    assert file.exists()
    if anchor:
        assert anchor in anchors(file.read_text())


def test_every_page_of_the_docs_is_in_the_index():
    index = PAGES["docs/README.md"]
    pages = [p.name for p in (ROOT / "docs").glob("*.md") if p.name != "README.md"]
    assert [page for page in pages if f"]({page})" not in index] == []
    assert "](docs/README.md)" in README
    for page, folder in [(README, ""), (index, "../")]:
        assert f"]({folder}CONTRIBUTING.md)" in page


def test_every_extra_is_in_the_table():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    rows = table(PAGES["docs/deployment.md"], "## Extras")
    named = [extra for cell, _ in rows for extra in code_in(cell)]
    assert sorted(named) == sorted(project["optional-dependencies"])
    text = "\n".join(PAGES.values())
    for given in re.findall(r"(?:checkout|whl|lifecycle)\[([\w,]+)\]", text):
        assert set(given.split(",")) <= set(named)


@pytest.mark.parametrize("image", sorted((ROOT / "docs" / "images").glob("*.svg")), ids=str)
def test_every_drawing_can_be_read_in_the_dark_and_aloud(image):
    drawing = ElementTree.parse(image).getroot()
    space = "{http://www.w3.org/2000/svg}"
    assert "prefers-color-scheme: dark" in drawing.find(f"{space}style").text
    assert drawing.find(f"{space}title").text
    assert drawing.find(f"{space}desc").text


def test_the_changelog_begins_with_this_version():
    versions = re.findall(r"^## \[?([\w.]+)\]?", PAGES["CHANGELOG.md"], re.MULTILINE)
    assert versions[0] == token_lifecycle.__version__


def test_a_check_that_is_named_anywhere_is_explained():
    explained = set(re.findall(r"token_lifecycle\.([EW]\d{3})", SETTINGS))
    for page, text in PAGES.items():
        assert set(re.findall(r"\b[EW]0\d\d\b", text)) <= explained, page
