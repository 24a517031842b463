"""What became of the sessions that ``benchmarks.kills`` ended. Pure: no clock, no network."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

#: How often each worker is asked again once the bound has passed.
LATE_CHECKS = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """When it was asked for and when it came, in seconds of the machine's monotonic clock."""

    started: float
    ended: float
    status: int
    worker: int


@dataclass(eq=False)
class Watched:
    """One session that is about to end, and what each worker says about it."""

    session_id: str
    request: bytes
    bound: float
    """Seconds after the commit from which on nobody may be let in."""
    committed: float | None = None
    """When the end was committed; None before that is known."""
    asked: dict[int, float] = field(default_factory=dict)
    yes: list[Answer] = field(default_factory=list)
    refused: dict[int, Answer] = field(default_factory=dict)
    """The first refusal of each worker."""
    statuses: Counter[int] = field(default_factory=Counter)
    late_checks: Counter[int] = field(default_factory=Counter)
    """Answers that were asked for beyond the bound."""
    given_up: bool = False
    """Whether some worker never refused, or was not asked about it beyond the bound."""

    def take(self, answer: Answer) -> None:
        self.statuses[answer.status] += 1
        if answer.status == 200:
            self.yes.append(answer)
        elif answer.status == 401:
            self.refused.setdefault(answer.worker, answer)
        if self.committed is not None and answer.started > self.committed + self.bound:
            self.late_checks[answer.worker] += 1

    def wants(self, worker: int, now: float) -> bool:
        """Whether to ask this worker: all the time until it refuses, and then now and then."""
        if worker not in self.refused:
            return True
        if self.committed is None or now - self.asked[worker] < self.bound / 4:
            return False
        return self.late_checks[worker] < LATE_CHECKS

    def let_in(self, workers: set[int]) -> bool:
        return bool(workers) and workers <= {answer.worker for answer in self.yes}

    def refused_by(self, workers: set[int]) -> bool:
        return bool(workers) and workers <= self.refused.keys()

    def is_over(self, workers: set[int], now: float, patience: float) -> bool:
        """Whether each has refused and was asked beyond the bound as well, or it was given up."""
        if self.committed is None:
            return False
        if self.refused_by(workers) and all(self.late_checks[worker] for worker in workers):
            return True
        self.given_up = now > self.committed + self.bound + patience
        return self.given_up

    # What came of it

    def beyond(self) -> list[Answer]:
        """Those who were let in although they asked later than the bound."""
        assert self.committed is not None
        return [answer for answer in self.yes if answer.started > self.committed + self.bound]

    def wavered(self) -> list[Answer]:
        """Those who were let in by a worker that had refused before they asked."""
        return [
            answer
            for answer in self.yes
            if (no := self.refused.get(answer.worker)) and answer.started > no.ended
        ]

    def last_yes(self) -> dict[int, float]:
        """For each worker: seconds from the commit to the start of the last request let in."""
        assert self.committed is not None
        last: dict[int, float] = {}
        for answer in self.yes:
            delay = max(0.0, answer.started - self.committed)
            last[answer.worker] = max(delay, last.get(answer.worker, 0.0))
        return last

    def first_no(self) -> dict[int, float]:
        """For each worker: seconds from the commit to the start of the first request refused."""
        assert self.committed is not None
        return {worker: no.started - self.committed for worker, no in self.refused.items()}


@dataclass(frozen=True, kw_only=True)
class Delays:
    """A distribution, in milliseconds."""

    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Delays | None:
        """None of fewer than two."""
        values = [1000 * each for each in seconds]
        if len(values) < 2:
            return None
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        return cls(p50=round(cuts[49], 1), p99=round(cuts[98], 1), max=round(max(values), 1))

    def __str__(self) -> str:
        return f"p50 {self.p50:.0f}, p99 {self.p99:.0f}, max {self.max:.0f} ms"


@dataclass(frozen=True, kw_only=True)
class Load:
    """What those met with whose sessions did not end."""

    per_second: float
    statuses: dict[int, int]
    """Status 0: the connection broke."""
    workers: int
    answered: Delays | None
    """How long the answers took that let them in."""
    refused: Delays | None
    """How long the answers with status 503 took."""

    @classmethod
    def of(cls, answers: Sequence[Answer]) -> Load:
        seconds = max(a.ended for a in answers) - min(a.started for a in answers)

        def taken(status: int) -> Delays | None:
            return Delays.of(a.ended - a.started for a in answers if a.status == status)

        return cls(
            per_second=round(len(answers) / seconds, 1),
            statuses=dict(sorted(Counter(a.status for a in answers).items())),
            workers=len({a.worker for a in answers if a.worker}),
            answered=taken(200),
            refused=taken(503),
        )


@dataclass(frozen=True, kw_only=True)
class Kills:
    """What came of a number of kills under the same circumstances."""

    name: str
    kills: int
    workers: int
    """How many different processes refused."""
    asked_beyond: int
    """Requests that started later than one interval after the commit."""
    beyond: int
    """How many of them were let in."""
    wavered: int
    """Requests that were let in by a worker that had refused before."""
    unrefused: int
    """Sessions that some worker never refused, or was not asked about beyond the bound."""
    last_yes: Delays | None
    """From the commit to the start of the last request let in, for each kill and worker."""
    last_yes_of_all: Delays | None
    """The same for the slowest worker of each kill."""
    first_no: Delays | None
    """From the commit to the start of the first request refused: the last one let in was before."""
    statuses: dict[int, int]
    load: Load
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, name: str, watched: Sequence[Watched], load: Load, notes: Sequence[str] = ()
    ) -> Kills:
        """Count; of ``watched`` every end was committed."""
        yes = [each.last_yes() for each in watched]
        statuses = sum((each.statuses for each in watched), Counter[int]())
        return cls(
            name=name,
            kills=len(watched),
            workers=len({worker for each in watched for worker in each.refused}),
            asked_beyond=sum(each.late_checks.total() for each in watched),
            beyond=sum(len(each.beyond()) for each in watched),
            wavered=sum(len(each.wavered()) for each in watched),
            unrefused=sum(each.given_up for each in watched),
            last_yes=Delays.of(delay for each in yes for delay in each.values()),
            last_yes_of_all=Delays.of(max(each.values()) for each in yes if each),
            first_no=Delays.of(
                delay for each in watched for delay in each.first_no().values() if delay > 0
            ),
            statuses=dict(sorted(statuses.items())),
            load=load,
            notes=list(notes),
        )

    @property
    def right(self) -> bool:
        """Whether nobody was let in who should not have been."""
        return not (self.beyond or self.wavered or self.unrefused)

    def __str__(self) -> str:
        verdict = "right" if self.right else "WRONG"
        lines = [
            f"{self.name}: {verdict}, {self.kills} kills at {self.workers} workers",
            f"  let in beyond the bound {self.beyond} of {self.asked_beyond}, "
            f"after a refusal {self.wavered}; sessions not refused {self.unrefused}",
            f"  last let in      {self.last_yes}",
            f"  by any worker    {self.last_yes_of_all}",
            f"  first refused    {self.first_no}",
            f"  those who watch  {_counted(self.statuses)}",
            f"  load             {self.load.per_second:.0f}/s on {self.load.workers} workers, "
            f"{_counted(self.load.statuses)}; 200 in {self.load.answered}",
        ]
        if self.load.refused:
            lines.append(f"                   503 in {self.load.refused}")
        return "\n".join([*lines, *(f"  {note}" for note in self.notes)])


def _counted(statuses: dict[int, int]) -> str:
    return ", ".join(f"{count} x {status or 'broken'}" for status, count in statuses.items())


def recovered_after(answers: Iterable[Answer], resumed: float) -> float:
    """Seconds from a moment until the last bad answer came: no 200, or waited for since before."""
    bad = [a.ended for a in answers if a.status != 200 or a.started < resumed]
    return max(0.0, max(bad, default=resumed) - resumed)
