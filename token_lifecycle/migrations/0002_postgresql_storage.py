"""Room for updates, and vacuum in time: storage parameters of PostgreSQL, which no model can state.

A tenth of each page of the session table stays free, so that a refresh finds room beside the row
(HOT) and touches no index. Vacuum comes after 2 % of a table has changed, and not after 20 %: of
ten million rows that would be two million.
"""

from typing import Any

from django.db import migrations

SESSION = "token_lifecycle_session"
EVENT = "token_lifecycle_sessionevent"
VACUUM = "autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02"


def set_parameters(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"ALTER TABLE {SESSION} SET (fillfactor = 90, {VACUUM})")
        schema_editor.execute(f"ALTER TABLE {EVENT} SET ({VACUUM})")


def reset_parameters(apps: Any, schema_editor: Any) -> None:
    names = "autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor"
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"ALTER TABLE {SESSION} RESET (fillfactor, {names})")
        schema_editor.execute(f"ALTER TABLE {EVENT} RESET ({names})")


class Migration(migrations.Migration):
    dependencies = [("token_lifecycle", "0001_initial")]

    operations = [
        # The hint lets a router that places the models place this, too.
        migrations.RunPython(set_parameters, reset_parameters, hints={"model_name": "session"})
    ]
