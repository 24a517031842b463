"""The servers of ``benchmarks.faults`` that those of ``benchmarks.kills`` are not enough for."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any

import psycopg

from .kills_servers import HOST, PATIENCE, Postgres, Program, children_of, free_port, until

#: Bytes: a database with its log and little room beside it.
SMALL_DISK = 300 * 2**20


class Database(Postgres):
    """A PostgreSQL that can be asked, restarted, killed and copied."""

    def __init__(
        self, directory: Path, log: IO[bytes], settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(directory, log)
        for name, value in (settings or {}).items():
            self.run(f"ALTER SYSTEM SET {name} = '{value}'")
        if settings:
            self.halt("fast")
            self.start()

    def run(self, statement: str, *values: Any) -> list[Any]:
        """One statement; its rows, where it has any."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def accepts(self) -> bool:
        """Whether it answers, and not only runs."""
        try:
            self.run("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def halt(self, mode: str) -> None:
        """In ``mode`` immediate every process goes at once; the next start replays the log."""
        if self.runs:
            self._control("stop", "--wait", "--mode", mode)

    def start(self) -> None:
        options = f"-p {self.port} -k {self._data} -c listen_addresses={HOST}"
        self._control("start", "--wait", "--options", options)

    def terminate(self, count: int) -> None:
        """Some connections, by chance, whatever they are at."""
        self.run(
            "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE "
            "backend_type = 'client backend' AND pid <> pg_backend_pid() "
            f"ORDER BY random() LIMIT {count}) AS chosen"
        )

    @property
    def runs(self) -> bool:
        try:
            os.kill(self._master(), 0)
        except (OSError, IndexError):
            return False
        return True

    def kill(self) -> None:
        """As a power failure would, but for what the operating system has not written yet."""
        master = self._master()
        processes = (master, *children_of(master))
        for pid in processes:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not any(Path(f"/proc/{pid}/stat").exists() for pid in processes))

    def stop(self) -> None:
        if self.runs:
            super().stop()


class Replica(Database):
    """A physical copy that follows another one, asynchronously."""

    def __init__(self, primary: Database, directory: Path, log: IO[bytes]) -> None:
        self._programs, self._as_user, self._log = primary._programs, primary._as_user, log
        self._data = directory / "replica"
        self._data.mkdir()
        self._data.chmod(0o700)
        if self._as_user:
            directory.chmod(0o755)
            shutil.chown(self._data, "postgres")
        source = ["--host", HOST, "--port", str(primary.port), "--username", "postgres"]
        copied = ["--pgdata", str(self._data), "--write-recovery-conf", "--checkpoint", "fast"]
        self._run("pg_basebackup", *source, *copied)
        self.port = free_port()
        self.start()
        until(lambda: bool(primary.run("SELECT 1 FROM pg_stat_replication")))

    def cut_off(self) -> None:
        """Receive nothing any more. What was received is kept, and applied at the latest then."""
        self.run("ALTER SYSTEM SET primary_conninfo = ''")
        self.run("SELECT pg_reload_conf()")

    def promote(self) -> float:
        """Become the primary; the moment of the last commit that is not lost."""
        self._control("promote", "--wait")
        return float(self.run("SELECT extract(epoch FROM pg_last_xact_replay_timestamp())")[0][0])


class Proxy:
    """The process of ``benchmarks.faults_proxy``."""

    def __init__(self, target: int, log: IO[bytes]) -> None:
        port: Future[int] = Future()
        self._program = Program(
            "benchmarks.faults_proxy", log=log, hear=lambda said: port.set_result(said["port"])
        )
        self.port = port.result(timeout=PATIENCE)
        self.lead_to(target)

    def lead_to(self, port: int) -> None:
        self._program.tell({"target": port})

    def cut(self, count: int) -> None:
        self._program.tell({"cut": count})

    def stop(self) -> None:
        self._program.stop()


class SmallDisk:
    """A file system in memory that can be filled. Takes root."""

    def __init__(self, directory: Path) -> None:
        directory.chmod(0o755)  # PostgreSQL has to get there as another user
        self.directory = directory / "disk"
        self.directory.mkdir()
        options = f"size={SMALL_DISK},mode=755"
        command = ["mount", "-t", "tmpfs", "-o", options, "faults", str(self.directory)]
        subprocess.run(command, check=True)
        self._ballast = self.directory / "ballast"

    def fill(self) -> None:
        try:
            with self._ballast.open("ab", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
        except OSError:  # no space left on device, which is what is wanted
            pass

    def free(self) -> None:
        self._ballast.unlink()

    def stop(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.directory)], check=True)


class Clock:
    """The time of day of the processes started with its ``environment``, and of no others."""

    def __init__(self, directory: Path) -> None:
        library, self._file = directory / "clock.so", directory / "clock"
        source = Path(__file__).with_name("faults_clock.c")
        command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source)]
        subprocess.run(command, check=True)
        self._file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "FAULTS_CLOCK": str(self._file)}

    def step(self, seconds: int) -> None:
        """Be so many seconds off from now on."""
        with self._file.open("r+b", buffering=0) as file:
            file.write(seconds.to_bytes(8, sys.byteorder, signed=True))
