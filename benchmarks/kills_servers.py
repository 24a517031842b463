"""The servers of ``benchmarks.kills``, its own, so that they can be paused and killed at will."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any

HOST = "127.0.0.1"
ROOT = Path(__file__).parent.parent
PATIENCE = 60.0
PUSH = "token_lifecycle.contrib.redis_push.RedisPush"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until somebody listens there.

    :raises SystemExit: nobody does.
    """
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"{process.args!r} did not start.")


def until(reached: Callable[[], bool]) -> None:
    """Wait for it.

    :raises TimeoutError: it does not come.
    """
    end = time.monotonic() + PATIENCE
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], stdout=subprocess.PIPE, text=True)
    return [int(line) for line in found.stdout.split()]


class Postgres:
    """A PostgreSQL in a directory of its own, with nothing changed in its configuration."""

    def __init__(self, directory: Path, log: IO[bytes]) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path()]
        self._programs = Path(shutil.which("initdb") or programs[-1] / "initdb").resolve().parent
        self._data = directory / "postgres"
        self._data.mkdir()
        self._log = log
        # It refuses to run as root.
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as_user:
            directory.chmod(0o755)
            shutil.chown(self._data, "postgres")
        self._run("initdb", "--auth=trust", "--username=postgres", "--pgdata", str(self._data))
        self.port = free_port()
        options = f"-p {self.port} -k {self._data} -c listen_addresses={HOST}"
        self._control("start", "--wait", "--options", options)

    @property
    def url(self) -> str:
        return f"postgres://postgres@{HOST}:{self.port}/postgres"

    def pause(self) -> None:
        """Stop every process of it where it stands; the first one first, for it makes others."""
        master = self._master()
        os.kill(master, signal.SIGSTOP)
        for child in children_of(master):
            os.kill(child, signal.SIGSTOP)

    def pause_those_of(self, name: str) -> None:
        """Stop only the processes that serve the clients of a name (``PGAPPNAME``)."""
        asked = f"SELECT pid FROM pg_stat_activity WHERE application_name = '{name}'"
        command = [
            "psql",
            "--no-psqlrc",
            "-At",
            "-d",
            self.url.replace("postgres:", "postgresql:", 1),
        ]
        found = subprocess.run(
            [*command, "-c", asked], stdout=subprocess.PIPE, text=True, check=True
        )
        for pid in found.stdout.split():
            os.kill(int(pid), signal.SIGSTOP)

    def resume(self) -> None:
        master = self._master()
        for pid in (*children_of(master), master):
            os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        self.resume()
        self._control("stop", "--wait", "--mode", "immediate")

    def _master(self) -> int:
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "--pgdata", str(self._data), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._programs / program), *arguments]
        subprocess.run(command, stdout=self._log, stderr=self._log, cwd="/", check=True)


class Redis:
    """A Redis that keeps nothing and always comes back at the same port."""

    def __init__(self, log: IO[bytes]) -> None:
        self._log = log
        self.port = free_port()
        self.start()

    @property
    def push(self) -> dict[str, str]:
        """What ``REVOCATION_PUSH`` has to be."""
        return {"BACKEND": PUSH, "LOCATION": f"redis://{HOST}:{self.port}"}

    def start(self) -> None:
        command = ["redis-server", "--bind", HOST, "--port", str(self.port), "--save", ""]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        wait_for_port(self.port, self._process)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        """Let it accept connections and never answer."""
        self._process.send_signal(signal.SIGSTOP)


class WebServer:
    """gunicorn or uvicorn with the project, in a process group of its own."""

    def __init__(
        self,
        kind: str,
        *,
        workers: int,
        environment: dict[str, str],
        log: IO[bytes],
        preload: bool = False,
        project: str = "benchmarks.kills_project",
    ) -> None:
        self.address = (HOST, free_port())
        command = _command(kind, self.address, workers, project)
        if preload:
            command.append("--preload")
            environment = environment | {"KILLS_ASK_BEFORE_FORK": "1"}
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        wait_for_port(self.address[1], self._process)

    @property
    def workers(self) -> list[int]:
        """The processes that answer at present."""
        return children_of(self._process.pid)

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _command(kind: str, address: tuple[str, int], workers: int, project: str) -> list[str]:
    host, port = address
    if kind == "uvicorn":
        command = ["uvicorn", f"{project}:asgi_application"]
        command += ["--host", host, "--port", str(port), "--timeout-keep-alive", "120"]
        command += ["--no-access-log", "--log-level", "warning", "--lifespan", "off"]
    else:
        command = ["gunicorn", project, f"--bind={host}:{port}"]
        command += ["--worker-class=gthread", "--threads=4", "--keep-alive=120"]
        command += ["--log-level=warning", "--no-control-socket", "--graceful-timeout=2"]
    return [sys.executable, "-m", *command, f"--workers={workers}"]


class Program:
    """A Python process that takes a line of JSON and gives lines of JSON."""

    def __init__(
        self,
        module: str,
        *,
        log: IO[bytes],
        hear: Callable[[Any], None],
        environment: dict[str, str] | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=os.environ | (environment or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self._hear = hear
        self._telling = threading.Lock()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def tell(self, what: Any) -> None:
        assert self._process.stdin is not None
        with self._telling:
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()

    def stop(self) -> None:
        """Close its input and hear it out."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=PATIENCE)
        self._listener.join()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._hear(json.loads(line))


class Ender:
    """The process that starts sessions and ends them."""

    def __init__(self, environment: dict[str, str], log: IO[bytes]) -> None:
        self._started: Future[Sequence[tuple[str, str]]] = Future()
        self._ended: dict[str, Future[float]] = {}
        self._program = Program(
            "benchmarks.kills_project", log=log, hear=self._hear, environment=environment
        )
        self.stop = self._program.stop

    def start(self, count: int) -> Sequence[tuple[str, str]]:
        """So many new sessions: their ids and access tokens."""
        self._started = Future()
        self._program.tell({"start": count})
        return self._started.result(timeout=10 * PATIENCE)

    def end(self, session_id: str, *, hold: float = 0.0) -> float:
        """End one in a transaction of so many seconds; the moment at which it was committed."""
        future = self._ended[session_id] = Future()
        self._program.tell({"end": session_id, "hold": hold})
        return future.result(timeout=hold + PATIENCE)

    def _hear(self, answer: dict[str, Any]) -> None:
        if "started" in answer:
            self._started.set_result(answer["started"])
        elif "ended" in answer:
            self._ended[answer["ended"]].set_result(answer["at"])
        else:
            error = RuntimeError(answer["failed"])
            self._ended.get(answer["command"].get("end"), self._started).set_exception(error)
