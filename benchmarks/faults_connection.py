"""How the clients of ``benchmarks.faults`` speak HTTP: a request, and its answer, if any."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

Address = tuple[str, int]

#: Seconds that a client waits for an answer, as the two that come with the app do.
TIMEOUT = 4.0
#: Nobody answered, or not to the end.
BROKEN = (OSError, HTTPException, ValueError)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the server."""

    status: int
    body: dict[str, Any]
    retry_after: str | None


class Connection:
    """One connection that is opened when it is needed. Methods raise what is in ``BROKEN``."""

    def __init__(self, address: Address) -> None:
        self._http = HTTPConnection(*address, timeout=TIMEOUT)
        self.close = self._http.close

    def ask(self, path: str, body: dict[str, str] | None, bearer: str = "") -> Reply:
        self.send(path, body, bearer)
        return self.hear()

    def send(self, path: str, body: dict[str, str] | None, bearer: str = "") -> None:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        if body is None:
            return self._http.request("GET", path, headers=headers)
        headers["Content-Type"] = "application/json"
        self._http.request("POST", path, json.dumps(body).encode(), headers)

    def hear(self) -> Reply:
        answer = self._http.getresponse()
        content = answer.read()
        is_json = answer.getheader("Content-Type", "").startswith("application/json")
        body = json.loads(content) if content and is_json else {}
        return Reply(answer.status, body, answer.getheader("Retry-After"))


def answers(address: Address) -> bool:
    connection = Connection(address)
    try:
        return connection.ask("/nothing/", None).status == 200
    except BROKEN:
        return False
    finally:
        connection.close()
