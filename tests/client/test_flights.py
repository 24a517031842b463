from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from token_lifecycle.client.flights import THREAD_NAME, SingleFlight, landed

from .conftest import wait_for_flights


def test_those_who_come_while_the_work_is_done_share_its_outcome():
    flights, gate, runs = SingleFlight(), threading.Event(), []

    def work():
        gate.wait(10)
        runs.append(1)
        return "new"

    with ThreadPoolExecutor(50) as pool:
        joined = [pool.submit(flights.join, "key", work) for _ in range(50)]
        waiting = [future.result() for future in joined]
        gate.set()
    assert {flight.result(10) for flight in waiting} == {"new"}
    assert runs == [1]


def test_whoever_comes_afterwards_begins_a_new_flight():
    flights, runs = SingleFlight(), iter(range(9))
    outcomes = [flights.join("key", lambda: next(runs)).result(10) for _ in range(3)]
    assert outcomes == [0, 1, 2]


def test_different_keys_are_different_flights():
    flights = SingleFlight()
    assert flights.join("a", lambda: 1).result(10) == 1
    assert flights.join("b", lambda: 2).result(10) == 2


def test_a_failure_reaches_everybody_and_the_next_one_may_try_again():
    flights, gate = SingleFlight(), threading.Event()

    def fail():
        gate.wait(10)
        raise LookupError("no")

    first, second = flights.join("key", fail), flights.join("key", fail)
    gate.set()
    for flight in (first, second):
        with pytest.raises(LookupError):
            flight.result(10)
    wait_for_flights()
    assert flights.join("key", lambda: "yes").result(10) == "yes"


def test_nobody_can_cancel_a_flight():
    flights, gate = SingleFlight(), threading.Event()
    flight = flights.join("key", lambda: gate.wait(10))
    assert not flight.cancel()
    gate.set()
    assert flight.result(10) is True


def test_the_interpreter_waits_for_a_flight():
    flights, gate = SingleFlight(), threading.Event()
    flight = flights.join("key", lambda: gate.wait(10))
    (thread,) = (t for t in threading.enumerate() if t.name == THREAD_NAME)
    assert not thread.daemon
    gate.set()
    flight.result(10)


def test_without_threads_the_work_is_done_by_the_caller(monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    caller = SingleFlight().join("key", threading.current_thread).result(0)
    assert caller is threading.current_thread()


def test_ctrl_c_while_a_flight_begins_leaves_nothing_that_others_would_wait_for(monkeypatch):
    def interrupt(thread):
        raise KeyboardInterrupt

    flights = SingleFlight()
    monkeypatch.setattr(threading.Thread, "start", interrupt)
    with pytest.raises(KeyboardInterrupt):
        flights.join("key", lambda: "first")
    monkeypatch.undo()
    assert flights.join("key", lambda: "second").result(10) == "second"


def test_a_forked_child_does_not_wait_for_a_flight_of_its_parent(monkeypatch):
    flights, gate = SingleFlight(), threading.Event()
    of_parent = flights.join("key", lambda: gate.wait(10))
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert flights.join("key", lambda: "of the child").result(10) == "of the child"
    monkeypatch.undo()
    gate.set()
    of_parent.result(10)


def test_a_landed_flight_has_its_outcome():
    assert landed("here").result(0) == "here"
