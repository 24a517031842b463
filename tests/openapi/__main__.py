"""Hold the example project, served, against its own schema with hundreds of made-up requests.

``python -m tests.openapi``: all checks of schemathesis, the same requests each time. Arguments are
passed on to ``schemathesis run``.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.demo_server import ROOT, serving

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def main(*arguments):
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder)) as (host, _),
    ):
        environment = {
            **os.environ,
            "OPENAPI_HOST": host,
            "SCHEMATHESIS_HOOKS": "tests.openapi.hooks",
            "PYTHONPATH": str(ROOT),
        }
        run = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run"]
        command = [*run, f"{host}/api/schema/", "--checks", "all", *arguments]
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
