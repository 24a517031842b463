"""``python -m tests.fuzz [TARGET …] [--seconds N]``: each target in a process of its own.

What it finds is written to a file and named; ``python -m tests.fuzz TARGET --replay FILE`` runs it
again. It needs the package atheris.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

FINDINGS = Path(tempfile.gettempdir()) / "fuzz-findings"
INSTRUMENTED = ["token_lifecycle", "jwt", "rest_framework_simplejwt", "json", "ipaddress"]
NAMES = ("codec", "request_headers", "body", "account", "uuid")
MAX_LENGTH = 2048


def arguments(given=None):
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each of them (60)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run this input and no other")
    parser.add_argument("--here", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args(given)
    if unknown := set(options.targets) - set(NAMES):
        parser.error(f"no target: {', '.join(sorted(unknown))}")
    if not options.replay and find_spec("atheris") is None:
        parser.error("not installed: atheris")
    options.targets = options.targets or NAMES
    return options


def set_up():
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()


def fuzz(name, seconds, folder):
    """Fuzz one target in this process, which ends with it; the folder is for what it learns."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED):
        set_up()
        from tests.fuzz.targets import SEEDS, TARGETS, WORDS
    target, corpus = TARGETS[name], folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(SEEDS[target]):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f'"{quoted(word)}"\n' for word in WORDS))
    FINDINGS.mkdir(exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-max_len={MAX_LENGTH}", f"-dict={words}"]
    options += ["-print_final_stats=1", f"-artifact_prefix={FINDINGS}/{name}-", "-timeout=5"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()


def quoted(word):
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


def replay(name, path):
    set_up()
    from tests.fuzz.targets import TARGETS

    TARGETS[name](path.read_bytes())


def run(name, seconds):
    """Whether a target, fuzzed in a process of its own, held; says how often it was tried."""
    command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(seconds), "--here"]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        done = subprocess.run(
            [*command, folder], capture_output=True, text=True, errors="replace", check=False
        )
    told = done.stdout + done.stderr
    tried = re.search(r"stat::number_of_executed_units: +(\d+)", told)
    if done.returncode or tried is None:
        sys.stdout.write(told)
        return False
    coverage = re.findall(r" cov: (\d+)", told)[-1]
    sys.stdout.write(f"{name}: {int(tried[1]):,} inputs, coverage {coverage}, nothing found\n")
    sys.stdout.flush()
    return True


def main():
    options = arguments()
    if options.replay:
        for name in options.targets:
            replay(name, options.replay)
        return 0
    if options.here:
        fuzz(options.targets[0], options.seconds, options.here)
    held = [run(name, options.seconds) for name in options.targets]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
