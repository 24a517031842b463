"""One of several processes that share a file of tokens: see ``test_live``.

Says that it is ready, waits to be told to go, then sends ten requests at once and prints the
status of each.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import httpx

from token_lifecycle.client import FileStore, Session
from token_lifecycle.client.httpx import HttpxAuth


def work(base_url, path, url):
    session = Session(base_url, store=FileStore(path), timeout=30)
    with httpx.Client(auth=HttpxAuth(session), timeout=30) as client:
        session.current()
        print("ready", flush=True)  # noqa: T201
        sys.stdin.readline()
        with ThreadPoolExecutor(10) as pool:
            print(*pool.map(lambda _: client.get(url).status_code, range(10)), flush=True)  # noqa: T201


if __name__ == "__main__":
    work(*sys.argv[1:])
