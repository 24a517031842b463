"""The migrations say what the models say."""

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

pytestmark = pytest.mark.django_db


def test_no_migration_is_missing():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_they_stand_in_one_line_and_are_all_applied():
    loader = MigrationLoader(connection)
    assert not loader.detect_conflicts()
    ours = {key for key in loader.disk_migrations if key[0] == "token_lifecycle"}
    assert ours
    assert ours <= set(loader.applied_migrations)


def test_they_can_be_undone():
    loader = MigrationLoader(connection)
    for key, migration in loader.disk_migrations.items():
        if key[0] == "token_lifecycle":
            assert all(operation.reversible for operation in migration.operations)


if connection.vendor == "postgresql":

    @pytest.mark.parametrize(
        ("table", "expected"),
        [
            ("token_lifecycle_session", {"fillfactor=90", "autovacuum_vacuum_scale_factor=0.02"}),
            ("token_lifecycle_sessionevent", {"autovacuum_vacuum_scale_factor=0.02"}),
        ],
    )
    def test_pages_keep_room_for_updates_and_vacuum_comes_in_time(table, expected):
        with connection.cursor() as cursor:
            cursor.execute("SELECT reloptions FROM pg_class WHERE relname = %s", [table])
            (parameters,) = cursor.fetchone()
        assert expected <= set(parameters)
