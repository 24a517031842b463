"""The page about OpenAPI names what is in the schema, and its line turns the schema on."""

from drf_spectacular.extensions import OpenApiViewExtension

from tests.openapi.calls import OPERATIONS
from tests.pages import PAGES, code_in, run, table, the
from token_lifecycle.contrib.spectacular import EndpointExtension

PAGE = PAGES["docs/openapi.md"]


def test_the_line_of_the_page_imports_the_extensions():
    run(the("runs: openapi")).ShopConfig.ready(None)
    assert EndpointExtension in OpenApiViewExtension._registry


def test_the_page_names_every_operation_and_no_other():
    api, browsers, *_ = (code_in(cell) for _, cell in table(PAGE, "## Turn it on"))
    named = [name for name in api if name.startswith("auth_")]
    assert {name for name in OPERATIONS if "browser" not in name} == set(named)
    own = {name for name in browsers if name.startswith("auth_browser_")} - {"auth_browser_…"}
    theirs = {name.replace("auth_", "auth_browser_", 1) for name in named}
    assert {name for name in OPERATIONS if "browser" in name} == theirs | own
