"""The process that makes the load: ``python -m benchmarks.load``, a plan in, what happened out.

It imports no Django and speaks just as much HTTP as it needs, for it shares the processors with
the server: ``http.client`` takes as long to parse the headers of an answer as some of these
views take to make it.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .exchange import USER_AGENT, Exchange

TIMEOUT = 30.0


@dataclass
class Tally:
    """What one contender answered, over all its slices."""

    milliseconds: list[float] = field(default_factory=list)
    failures: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """What this process itself used meanwhile, of one processor."""


def message(exchange: Exchange, host: str) -> bytes:
    """The request as it goes over the wire."""
    content = exchange.content()
    headers = {
        "Host": host,
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        **exchange.headers,
    }
    if exchange.body is not None:
        headers |= {"Content-Type": exchange.content_type, "Content-Length": str(len(content))}
    # 1.0, as nginx speaks to what is behind it: no keep-alive and no chunks.
    lines = [f"{exchange.method} {exchange.path} HTTP/1.0"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def answer_of(raw: bytes) -> tuple[int, bytes]:
    """Status and body of an answer that ended with its connection.

    :raises ValueError: that is no answer, or not all of it.
    """
    head, blank, body = raw.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1:2]
    if not blank or not status:
        raise ValueError("the answer broke off")
    return int(status[0]), body


def ask(address: tuple[str, int], exchange: Exchange) -> tuple[int, bytes]:
    """One request on a connection of its own.

    :raises OSError: nobody answers; ValueError: not with HTTP.
    """
    with socket.create_connection(address, timeout=TIMEOUT) as connection:
        connection.sendall(message(exchange, f"{address[0]}:{address[1]}"))
        received = []
        while part := connection.recv(65536):
            received.append(part)
    return answer_of(b"".join(received))


def client(address: tuple[str, int], exchange: Exchange, until: float, tally: Tally) -> Exchange:
    """One request after the other; the exchange that comes after the last."""
    while time.perf_counter() < until:
        started = time.perf_counter()
        try:
            status, body = ask(address, exchange)
            elapsed = time.perf_counter() - started
            if not 200 <= status < 300:
                raise ValueError(f"refused: {status}")
            exchange = exchange.after(body)
        except (OSError, ValueError, LookupError):
            tally.failures += 1
        else:
            tally.milliseconds.append(elapsed * 1000)
    return exchange


def slice_of(
    address: tuple[str, int], exchanges: list[Exchange], seconds: float, tally: Tally
) -> None:
    """All clients of one contender at once, for so long. ``exchanges`` is brought up to date."""
    tallies = [Tally() for _ in exchanges]
    started, cpu = time.perf_counter(), time.process_time()

    def run(n: int) -> None:
        exchanges[n] = client(address, exchanges[n], started + seconds, tallies[n])

    threads = [threading.Thread(target=run, args=[n]) for n in range(len(exchanges))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally.seconds += time.perf_counter() - started
    tally.cpu_seconds += time.process_time() - cpu
    for one in tallies:
        tally.milliseconds += one.milliseconds
        tally.failures += one.failures


def run(
    address: tuple[str, int],
    clients: Mapping[str, Sequence[Exchange]],
    *,
    slices: int,
    seconds: float,
) -> dict[str, Tally]:
    """Every contender in turn, a slice at a time, in an order that changes.

    The first slice of each only warms up, and is not counted.
    """
    chance, order = random.Random(0), list(clients)
    held = {name: list(exchanges) for name, exchanges in clients.items()}
    tallies: dict[str, Tally] = defaultdict(Tally)
    for number in range(slices + 1):
        chance.shuffle(order)
        for name in order:
            tally = tallies[name] if number else Tally()
            slice_of(address, held[name], seconds, tally)
    return tallies


def exchange_from(data: dict[str, Any]) -> Exchange:
    """The exchange that ``asdict`` took apart."""
    return Exchange(**{**data, "takes": tuple(data["takes"])})


def main() -> int:
    plan = json.load(sys.stdin)
    clients = {
        name: [exchange_from(data) for data in exchanges]
        for name, exchanges in plan["clients"].items()
    }
    address = (plan["host"], plan["port"])
    tallies = run(address, clients, slices=plan["slices"], seconds=plan["seconds"])
    json.dump({name: asdict(tally) for name, tally in tallies.items()}, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
