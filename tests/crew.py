"""Threads and processes that act at the same moment, round after round.

A worker, thread or process, waits for a job, then for all the others, does it and sends back what
came of it. Workers live as long as their crew, so that a round costs no start-up. Imports no
models: a process arrives here before its Django is set up.
"""

import contextlib
import multiprocessing
import os
import threading
import traceback
from dataclasses import dataclass
from typing import Any

import django
from django.conf import settings
from django.db import connections

#: Whoever waits longer than this hangs: a deadlock that the database did not notice.
PATIENCE = 120


@dataclass(frozen=True)
class Crash:
    """What a job raised. No job is expected to."""

    report: str


def nothing():
    """The job of a worker that sits a round out."""


def work(pipe, barrier, is_process):
    """The life of a worker: jobs come in, results go out, until there are none."""
    for options, job, arguments in iter(pipe.recv, None):
        if is_process:  # threads share the settings of the test
            settings.TOKEN_LIFECYCLE = options
        barrier.wait(PATIENCE)
        pipe.send(attempt(job, arguments))
    connections.close_all()
    pipe.close()


def attempt(job, arguments) -> Any:
    try:
        return job(*arguments)
    except Exception:
        return Crash(traceback.format_exc())


def be_a_process(pipe, barrier, database_name):
    """A worker in a process of its own, with the database of the test and nothing else of it."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    settings.DATABASES["default"]["NAME"] = database_name
    django.setup()
    work(pipe, barrier, is_process=True)


class Crew:
    """``threads`` and ``processes`` under one barrier; a context manager."""

    def __init__(self, *, threads, processes=0):
        self.threads, self.processes = threads, processes
        self.size = threads + processes
        self.context = multiprocessing.get_context("spawn")
        self.barrier = self.context.Barrier(self.size)
        self.pipes, self.workers = [], []

    def __enter__(self):
        database_name = settings.DATABASES["default"]["NAME"]
        for _ in range(self.threads):
            self._hire(threading.Thread, work, False)
        for _ in range(self.processes):
            self._hire(self.context.Process, be_a_process, database_name)
        return self

    def _hire(self, kind, target, last_argument):
        ours, theirs = self.context.Pipe()
        worker = kind(target=target, args=(theirs, self.barrier, last_argument), daemon=True)
        worker.start()
        self.pipes.append(ours)
        self.workers.append(worker)

    def __exit__(self, *exc_info):
        for pipe in self.pipes:
            with contextlib.suppress(OSError):
                pipe.send(None)
        for worker in self.workers:
            worker.join(PATIENCE)
        for pipe in self.pipes:
            pipe.close()

    def run(self, *jobs):
        """Do all jobs, tuples of a function and its arguments, at once; what each returned.

        Functions travel by name. The first jobs go to the processes, the rest to the threads.
        """
        idle = [(nothing,)] * (self.size - len(jobs))
        pipes = self.pipes[::-1]
        for pipe, (job, *arguments) in zip(pipes, [*jobs, *idle], strict=True):
            pipe.send((settings.TOKEN_LIFECYCLE, job, arguments))
        results = [self._result(pipe) for pipe in pipes]
        for result in results:
            assert not isinstance(result, Crash), result.report
        return results[: len(jobs)]

    def _result(self, pipe):
        assert pipe.poll(PATIENCE * 2), "a worker hangs"
        return pipe.recv()
