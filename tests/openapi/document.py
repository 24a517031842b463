"""The schema of both URLconfs; ``python -m tests.openapi.document`` writes that of the docs."""

import json
import os
from pathlib import Path

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"


def document(*, api="api/auth/", browsers="auth/", **settings):
    """Made as ``manage.py spectacular --validate --fail-on-warn`` makes it."""
    from django.urls import include, path
    from drf_spectacular.drainage import GENERATOR_STATS
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.settings import patched_settings
    from drf_spectacular.validation import validate_schema

    import token_lifecycle.contrib.spectacular  # noqa: F401

    mounted = [
        path(api, include("token_lifecycle.urls")),
        path(browsers, include("token_lifecycle.browser_urls")),
    ]
    named = {"TITLE": "Signing in with token_lifecycle", "VERSION": "1"}
    with patched_settings({**named, **settings}):
        made = SchemaGenerator(patterns=mounted).get_schema(public=True)
    complaints = {**GENERATOR_STATS._warn_cache, **GENERATOR_STATS._error_cache}
    assert not complaints, complaints
    validate_schema(made)
    return json.loads(json.dumps(made))


def main():
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    FILE.write_text(json.dumps(document(), indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
