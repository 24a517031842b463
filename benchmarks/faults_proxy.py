"""Stands between the web server and its database, and knows which connection to cut at what moment.

As a program it says ``{"port": …}`` and then takes a line of JSON for each command:
``{"target": port}`` sends those who come from now on there, and ``{"cut": n}`` cuts the next n
connections on which a claim was made, after the database has answered and before that is passed on.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any

HOST = "127.0.0.1"
#: How the statement begins that consumes a generation.
CLAIM = b'UPDATE "token_lifecycle_session" SET "generation"'

Watcher = Callable[[bytes], bool]
"""Sees a part of a conversation before it is passed on; True breaks the conversation off."""


class Proxy:
    """The commands, and the connections."""

    def __init__(self) -> None:
        self.target = 0
        self.to_cut = 0

    def obey(self, command: dict[str, int]) -> None:
        self.target = command.get("target", self.target)
        self.to_cut += command.get("cut", 0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            database_reader, database_writer = await asyncio.open_connection(HOST, self.target)
        except OSError:
            writer.close()
            return
        watch = Conversation(self)
        ends = (writer, database_writer)
        await asyncio.gather(
            pass_on(reader, database_writer, watch.asked, ends),
            pass_on(database_reader, writer, watch.answered, ends),
        )


class Conversation:
    """What one connection to the database is at."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._claims = False

    def asked(self, part: bytes) -> bool:
        self._claims = CLAIM in part
        return False

    def answered(self, part: bytes) -> bool:
        # The database sends nothing before it has committed: each statement is a transaction.
        if not self._claims or not self._proxy.to_cut:
            return False
        self._proxy.to_cut -= 1
        return True


async def pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    watcher: Watcher,
    ends: tuple[asyncio.StreamWriter, ...],
) -> None:
    """Until one side is gone, or the watcher has seen enough. Then both are gone."""
    try:
        while (part := await reader.read(65536)) and not watcher(part):
            writer.write(part)
            await writer.drain()
    except OSError:
        pass
    for end in ends:
        end.transport.abort()


async def main() -> None:
    proxy = Proxy()
    server = await asyncio.start_server(proxy.serve, HOST, 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    async with server:
        while line := await asyncio.to_thread(sys.stdin.readline):
            command: dict[str, Any] = json.loads(line)
            proxy.obey(command)


if __name__ == "__main__":
    asyncio.run(main())
