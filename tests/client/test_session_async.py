"""The same session in async code."""

from __future__ import annotations

import asyncio

import pytest

from token_lifecycle.client import (
    FileStore,
    MemoryStore,
    RefreshUnavailable,
    SessionExpired,
    TokenSet,
)

from .conftest import in_threads


def test_fifty_tasks_with_one_old_token_refresh_once(session, stub):
    async def main():
        used = session.tokens
        return await asyncio.gather(*(session.arefresh(used) for _ in range(50)))

    assert {tokens.access for tokens in asyncio.run(main())} == {"access-3"}
    assert stub.rotations == 1


def test_loops_one_after_the_other_and_side_by_side_share_a_session(session, stub):
    def run():
        return asyncio.run(session.arefresh(used)).access

    used = session.tokens
    assert in_threads(run, 10) == ["access-3"] * 10
    assert run() == "access-3"
    assert stub.rotations == 1


def test_the_loop_runs_on_while_a_refresh_waits(session, stub):
    stub.hold_refreshes()

    async def main():
        refresh = asyncio.create_task(session.arefresh())
        await asyncio.to_thread(stub.wait_for_refresh)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert not refresh.done()
        stub.gate.set()
        return await refresh

    assert asyncio.run(main()).access == "access-3"


def test_the_loop_runs_on_while_another_process_holds_the_file(new_session, tmp_path):
    store = FileStore(tmp_path / "tokens")
    new_session(store=store).login("anna", "correct horse")
    session = new_session(store=FileStore(store.path))

    async def main():
        with store.lock():
            waiting = asyncio.create_task(session.acurrent())
            for _ in range(1000):
                await asyncio.sleep(0)
            assert not waiting.done()
        return await waiting

    assert asyncio.run(main()).access == "access-2"


def test_a_cancelled_task_costs_the_others_nothing(session, stub):
    stub.hold_refreshes()

    async def main():
        first = asyncio.create_task(session.arefresh())
        await asyncio.to_thread(stub.wait_for_refresh)
        others = [asyncio.create_task(session.arefresh()) for _ in range(9)]
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        stub.gate.set()
        return await asyncio.gather(*others)

    assert {tokens.access for tokens in asyncio.run(main())} == {"access-3"}
    assert (stub.rotations, stub.revoked) == (1, "")


def test_a_loop_that_ends_in_the_middle_of_a_refresh_loses_nothing(session, stub, log):
    stub.hold_refreshes()

    async def main():
        refreshing = asyncio.create_task(session.arefresh())
        await asyncio.to_thread(stub.wait_for_refresh)
        assert not refreshing.done()

    asyncio.run(main())
    stub.gate.set()
    assert session.refresh(TokenSet("access-2", "refresh-2")).access == "access-3"
    assert (stub.rotations, stub.revoked) == (1, "")
    assert "exception" not in log.text.lower()


def test_async_code_can_sign_in_look_refresh_and_sign_out(new_session, stub, clock):
    async def main():
        session = new_session()
        await session.alogin("anna", "correct horse", device_name="laptop")
        assert (await session.acurrent()).access == "access-2"
        clock.advance(290)
        assert (await session.acurrent()).access == "access-3"
        clock.advance(290)
        stub.faults.append((503, b""))
        assert (await session.acurrent()).access == "access-3"
        clock.advance(10)
        stub.faults.append((503, b""))
        with pytest.raises(RefreshUnavailable):
            await session.acurrent()
        clock.advance(10)
        assert (await session.arefresh()).access == "access-4"
        await session.alogout()
        with pytest.raises(SessionExpired):
            await session.acurrent()

    asyncio.run(main())
    assert stub.ended == ["refresh-4"]


def test_many_tasks_that_wait_for_the_store_leave_the_threads_of_the_loop_alone(new_session):
    store, tasks = MemoryStore(TokenSet("access-1", "refresh-1")), 100
    session = new_session(store=store)

    async def main():
        with store.lock():
            waiting = [asyncio.create_task(session.acurrent()) for _ in range(tasks)]
            await asyncio.sleep(0)
            assert await asyncio.wait_for(asyncio.to_thread(lambda: "a thread"), 10) == "a thread"
        return await asyncio.gather(*waiting)

    assert len(asyncio.run(main())) == tasks
