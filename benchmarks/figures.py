"""What was measured, as data, tables and claims. Pure: no Django, no clock, no database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .contenders import (
    BY_HAND,
    NOTHING,
    OAUTH_TOOLKIT,
    OURS,
    OURS_DATABASE,
    OURS_MEMORY,
    OURS_STATELESS,
    SIMPLEJWT,
    SIMPLEJWT_BLACKLIST,
    SIMPLEJWT_STATELESS,
    Job,
)

#: Whom the others are compared with, job by job, where simplejwt does that job.
PEER = {
    Job.REFRESH: SIMPLEJWT_BLACKLIST,
    Job.CHECK: SIMPLEJWT,
    Job.SIGN_IN: SIMPLEJWT_BLACKLIST,
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One contender at one job, called in one process."""

    job: Job
    name: str
    statements: int
    """SQL statements of one request, transactions included."""
    median_ms: float
    p95_ms: float
    rows: float | None = None
    """Rows that a request leaves behind; None where nothing can stay."""
    bytes: float | None = None
    """Bytes that it leaves behind on disk; None also where the database cannot tell."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """One contender at one job, behind a server and under load."""

    job: Job
    name: str
    per_second: float
    median_ms: float
    p99_ms: float
    failures: int
    """Answers other than 2xx, and connections that broke."""
    load_share: float
    """How much of one processor the process that made the load was using meanwhile."""


@dataclass(frozen=True)
class Claim:
    """One promise of this app, and what came of it in this run."""

    text: str
    value: float
    limit: float
    at_least: bool

    @property
    def holds(self) -> bool:
        """As exactly as it is printed: no run is exact to a thousandth."""
        value = round(self.value, 2)
        return value >= self.limit if self.at_least else value <= self.limit


Measured = Line | Served


def find(lines: Iterable[Measured], job: Job, name: str | None) -> Measured | None:
    """The line of one contender at one job, if it was measured."""
    return next((line for line in lines if line.job == job and line.name == name), None)


def ratio(line: Line, base: Measured | None) -> float | None:
    """How many times as long it takes as another; None where there is no other."""
    return line.median_ms / base.median_ms if isinstance(base, Line) else None


#: How to read ``table_of``.
NOTE = """\
Ratios are of medians: to simplejwt's line of the same job, and to the view that does nothing.
Rows and bytes are what one request leaves behind, on average."""

#: Claims on the time: so many times as fast as …, or at most so many times as long as ….
FASTER = (
    (Job.REFRESH, OURS, SIMPLEJWT_BLACKLIST, 3.0),
    (Job.REFRESH, OURS, OAUTH_TOOLKIT, 5.0),
)
NO_SLOWER = (
    (Job.REFRESH, OURS, BY_HAND, 1.5),
    (Job.CHECK, OURS_DATABASE, SIMPLEJWT, 1.0),
    (Job.CHECK, OURS_MEMORY, SIMPLEJWT_STATELESS, 1.0),
    (Job.CHECK, OURS_STATELESS, SIMPLEJWT_STATELESS, 1.0),
)
STATEMENTS = (
    (Job.REFRESH, OURS, 2),
    (Job.CHECK, OURS_DATABASE, 1),
    (Job.CHECK, OURS_MEMORY, 0),
    (Job.CHECK, OURS_STATELESS, 0),
)


def claims(lines: Sequence[Line]) -> list[Claim]:
    """What this app promises, as far as this run can tell."""
    found = []
    for job, name, limit in STATEMENTS:
        if isinstance(ours := find(lines, job, name), Line):
            found.append(Claim(f"{job}, {name}: statements", ours.statements, limit, False))
    for claimed, at_least in ((FASTER, True), (NO_SLOWER, False)):
        for job, name, other, limit in claimed:
            ours, base = find(lines, job, name), find(lines, job, other)
            if not (isinstance(ours, Line) and isinstance(base, Line)):
                continue
            value = ratio(base, ours) if at_least else ratio(ours, base)
            words = "times as fast as" if at_least else "times the time of"
            found.append(Claim(f"{job}, {name}: {words} {other}", value or 0.0, limit, at_least))
    return found


# Tables


def table_of(lines: Sequence[Line]) -> str:
    """All jobs, one block each, the fastest first."""
    heads = ("statements", "median", "p95", "x simplejwt", "x empty", "rows", "bytes")
    return _blocks(lines, heads, lambda line: line.median_ms, lambda line: _cells(line, lines))


def _cells(line: Line, lines: Sequence[Line]) -> list[str]:
    return [
        str(line.statements),
        f"{line.median_ms:.3f} ms",
        f"{line.p95_ms:.3f} ms",
        _number(ratio(line, find(lines, line.job, PEER.get(line.job))), 2),
        _number(ratio(line, find(lines, line.job, NOTHING)), 1),
        _number(line.rows, 1).removesuffix(".0"),
        _number(line.bytes, 0),
    ]


def table_of_served(lines: Sequence[Served]) -> str:
    """The same for what was measured through a server: the most requests first."""
    heads = ("req/s", "median", "p99", "x simplejwt", "x empty", "failed", "load")

    def cells(line: Served) -> list[str]:
        return [
            f"{line.per_second:.0f}",
            f"{line.median_ms:.2f} ms",
            f"{line.p99_ms:.2f} ms",
            _number(_throughput(line, find(lines, line.job, PEER.get(line.job))), 2),
            _number(_throughput(line, find(lines, line.job, NOTHING)), 2),
            str(line.failures),
            f"{line.load_share:.0%}",
        ]

    return _blocks(lines, heads, lambda line: -line.per_second, cells)


def _throughput(line: Served, base: Measured | None) -> float | None:
    return line.per_second / base.per_second if isinstance(base, Served) else None


def table_of_claims(found: Sequence[Claim]) -> str:
    """One claim a line, and whether it holds."""
    width = max((len(claim.text) for claim in found), default=0)
    return "\n".join(
        f"{'holds' if claim.holds else 'FAILS'}  {claim.text:<{width}}  {claim.value:6.2f}"
        f"  ({'at least' if claim.at_least else 'at most'} {claim.limit:g})"
        for claim in found
    )


def _blocks(
    lines: Sequence[Any],
    heads: Sequence[str],
    order: Callable[[Any], float],
    cells: Callable[[Any], list[str]],
) -> str:
    """A table for each job under its title, all of them with columns of the same width."""
    rows = {line: cells(line) for line in sorted(lines, key=order)}
    name_width = max(len(line.name) for line in lines)
    widths = [max(map(len, column)) for column in zip(heads, *rows.values(), strict=True)]
    blocks = []
    for job in dict.fromkeys(line.job for line in lines):
        head = _row("", heads, name_width, widths)
        of_job = [(line.name, row) for line, row in rows.items() if line.job == job]
        body = [_row(name, row, name_width, widths) for name, row in of_job]
        blocks.append("\n".join([job.title, head, "─" * len(head), *body]))
    return "\n\n".join(blocks)


def _row(name: str, cells: Sequence[str], name_width: int, widths: Sequence[int]) -> str:
    padded = (f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
    return "  ".join([f"{name:<{name_width}}", *padded])


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
