"""The behaving clients of ``benchmarks.faults``: they do what docs/http-api.md asks, and no more.

Each signs in, refreshes every few hundredths of a second and uses its access token in between. It
presents a refresh token again until there is an answer, and waits as ``Retry-After`` says. Now and
then it signs out, and asks ever after whether that held.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from .faults_connection import BROKEN, Address, Connection, Reply, answers
from .faults_figures import Line
from .kills_servers import until

PASSWORD = "a pass phrase"
#: Seconds before it asks again where nobody answered.
AGAIN = 0.1
#: Seconds between two refreshes, at least and at most.
PAUSE = (0.02, 0.06)
#: Seconds for which it uses what it has got after an answer did not come in time: a request that it
#: gave up may still be under way, and must not find that two more exchanges went before it.
SETTLES = 1.0
#: Seconds without any answer after which a client would tell its person.
PATIENCE = 60.0
#: How often, of the times that it refreshes, a client …
ENDS, PROBES, ASKS_TWICE = 0.01, 0.1, 0.02
OBTAIN, REFRESH, LOGOUT, CHECK = "/ours/obtain/", "/ours/refresh/", "/ours/logout/", "/ours/check/"


def name_of(number: int) -> str:
    """The user behind a client."""
    return f"client{number}"


class Crowd:
    """So many clients at work. ``hang_ups``: how often they close before they hear the answer."""

    def __init__(
        self, address: Address, count: int, *, late: float = 0.0, asks_twice: float = ASKS_TWICE
    ) -> None:
        self.address = address
        self.asks_twice = asks_twice
        self.late = late
        """Seconds for which an access token may outlive its session."""
        self.hang_ups = 0.0
        self.lines: list[Line] = []
        self.ended: list[Line] = []
        self.stopping = threading.Event()
        self.clients = [Client(self, number) for number in range(count)]

    def start(self) -> None:
        """All at once, as soon as somebody answers: the port is open before that."""
        until(lambda: answers(self.address))
        for client in self.clients:
            client.thread.start()
        self.recovered(time.monotonic())

    def recovered(self, since: float) -> float:
        """Wait until every client has refreshed; how many seconds after ``since`` that was.

        :raises RuntimeError: one never does.
        """
        while waiting := [each for each in self.clients if each.refreshed_at <= since]:
            if dead := [each for each in self.clients if not each.thread.is_alive()]:
                raise RuntimeError(f"{len(dead)} clients broke down")
            if time.monotonic() > since + 2 * PATIENCE:
                raise RuntimeError(f"{len(waiting)} clients do not refresh any more")
            time.sleep(0.01)
        return time.monotonic() - since

    def stop(self) -> Counter[str]:
        """Let each do a last refresh, and ask about all ends again; what they counted."""
        self.stopping.set()
        for client in self.clients:
            client.thread.join()
        for line in self.ended:
            self.clients[0].probe(line)
        return sum((client.tally for client in self.clients), Counter[str]())


class Client:
    """One of them, in a thread of its own."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.tally: Counter[str] = Counter()
        self.refreshed_at = 0.0
        self._crowd = crowd
        self._name = name_of(number)
        self._random = random.Random(number)
        self._gave_up = False
        self._connection = Connection(crowd.address)

    # What it does

    def _run(self) -> None:
        while not self._crowd.stopping.is_set():
            line = self._sign_in()
            while line.lives and not self._crowd.stopping.is_set():
                self._step(line)
        if line.lives:
            self._refresh(line)
            self._ask_for_the_last_again(line)

    def _step(self, line: Line) -> None:
        self._check(line)
        self._refresh(line)
        if self._crowd.ended and self._happens(PROBES):
            self.probe(self._random.choice(self._crowd.ended))
        if line.lives and self._happens(ENDS):
            self._end(line)
        self._crowd.stopping.wait(SETTLES if self._gave_up else self._random.uniform(*PAUSE))
        self._gave_up = False

    def _sign_in(self) -> Line:
        reply = self._persist(OBTAIN, {"username": self._name, "password": PASSWORD})
        line = Line(session_id=reply.body["session"], started_at=time.time())
        line.take(reply.body["refresh"], reply.body["access"])
        self._crowd.lines.append(line)
        return line

    def _check(self, line: Line) -> None:
        """Use the access token. A refusal is no loss: the client refreshes next in any case."""
        reply = self._persist(CHECK, None, line.access)
        if reply.status != 200:
            self.tally["refused checks"] += 1

    def _refresh(self, line: Line) -> None:
        body = {"refresh": line.tokens[-1].text}
        if self._happens(self._crowd.asks_twice):
            self._ask_beside(line, body)
        if self._happens(self._crowd.hang_ups):
            self._hang_up(body)
        reply = self._persist(REFRESH, body)
        if reply.status != 200:
            line.lost_to = reply.body.get("code", f"status {reply.status}")
            return
        line.take(reply.body["refresh"], reply.body["access"])
        self.tally["refreshes"] += 1
        self.refreshed_at = time.monotonic()

    def _ask_beside(self, line: Line, body: dict[str, str]) -> None:
        """As a second tab does: with the same token, at the same moment."""
        beside = Connection(self._crowd.address)
        try:
            beside.send(REFRESH, body)
            self._once(lambda: self._connection.ask(REFRESH, body), line)
            self._once(beside.hear, line)
        except BROKEN:
            self.tally["broken"] += 1
        finally:
            beside.close()

    def _once(self, ask: Callable[[], Reply], line: Line) -> None:
        try:
            reply = ask()
        except BROKEN as error:
            self._break(error)
            return
        self._note(reply)
        if reply.status == 200:
            line.take(reply.body["refresh"], reply.body["access"])

    def _hang_up(self, body: dict[str, str]) -> None:
        """Send, and be gone before the answer comes."""
        with suppress(*BROKEN):
            self._connection.send(REFRESH, body)
        time.sleep(self._random.uniform(0, 0.02))
        self._break()

    def _end(self, line: Line) -> None:
        if self._persist(LOGOUT, {"refresh": line.tokens[-1].text}).status == 204:
            line.ended_at = time.time()
            self._crowd.ended.append(line)

    def probe(self, line: Line) -> None:
        """Ask whether an ended session is let in."""
        assert line.ended_at is not None
        access_is_dead = time.time() > line.ended_at + self._crowd.late
        if access_is_dead and self._persist(CHECK, None, line.access).status == 200:
            line.let_in_after_end = True
        if self._persist(REFRESH, {"refresh": line.tokens[-1].text}).status == 200:
            line.let_in_after_end = True

    def _ask_for_the_last_again(self, line: Line) -> None:
        """The token before the newest: the answer has to be the newest, to the letter."""
        if not line.lives or len(line.tokens) < 2:
            return
        newest = line.tokens[-1].generation
        before = next(t for t in reversed(line.tokens) if t.generation < newest)
        reply = self._persist(REFRESH, {"refresh": before.text})
        if reply.status == 200:
            line.take(reply.body["refresh"], reply.body["access"])
        else:
            line.lost_to = f"at the end: {reply.body.get('code')}"

    # How it asks

    def _persist(self, path: str, body: dict[str, str] | None, bearer: str = "") -> Reply:
        """Ask until somebody decides. The same request again: that is the whole rule."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                reply = self._connection.ask(path, body, bearer)
            except BROKEN as error:
                self._break(error)
                wait = AGAIN
            else:
                self._note(reply)
                if reply.status < 500 and reply.status != 429:
                    return reply
                wait = float(reply.retry_after or AGAIN)
            if time.monotonic() > until:
                return Reply(0, {"code": f"no answer for {PATIENCE:.0f} s"}, None)
            time.sleep(wait)
            self.tally["retries"] += 1

    def _note(self, reply: Reply) -> None:
        if reply.status == 503 and reply.retry_after:
            self.tally["503"] += 1
        elif reply.status >= 500:
            self.tally[f"wrong {reply.status}"] += 1

    def _break(self, error: Exception | None = None) -> None:
        self._gave_up |= isinstance(error, TimeoutError)
        self._connection.close()
        self.tally["broken"] += 1

    def _happens(self, share: float) -> bool:
        return self._random.random() < share
