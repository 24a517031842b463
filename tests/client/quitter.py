"""A process that ends while its refresh is under way: see ``test_processes``."""

from __future__ import annotations

import asyncio
import sys

from token_lifecycle.client import FileStore, Session


async def main(base_url, path):
    session = Session(base_url, store=FileStore(path), timeout=30)
    refreshing = asyncio.create_task(session.arefresh())
    print("refreshing", flush=True)  # noqa: T201
    await asyncio.to_thread(sys.stdin.readline)
    assert not refreshing.done()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
