"""What became of the clients of ``benchmarks.faults``. Pure: no clock, no network."""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A refresh token as its client may read it: without the key."""

    text: str
    generation: int
    secret: str
    issued_at: int

    @classmethod
    def read(cls, text: str) -> Token:
        payload = text.split(".")[1]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
        generation, secret, issued_at = claims["gen"], claims["sec"], claims["iat"]
        return cls(text=text, generation=generation, secret=secret, issued_at=issued_at)


@dataclass(eq=False, kw_only=True)
class Line:
    """One session as its client saw it. Moments are seconds of the machine's wall clock."""

    session_id: str
    started_at: float
    access: str = ""
    tokens: list[Token] = field(default_factory=list)
    """Every refresh token that was handed out, in that order."""
    ended_at: float | None = None
    """When its client heard that the end was committed."""
    lost_to: str = ""
    """Why its client had to give it up, although nobody had ended it."""
    let_in_after_end: bool = False

    def take(self, refresh: str, access: str) -> None:
        token = Token.read(refresh)
        # Of two answers that crossed, the one of the newer generation counts.
        if not self.tokens or token.generation >= self.tokens[-1].generation:
            self.tokens.append(token)
            self.access = access
        else:
            self.tokens.insert(0, token)

    @property
    def lives(self) -> bool:
        return self.ended_at is None and not self.lost_to

    @property
    def generation(self) -> int:
        """The highest that was handed out."""
        return max(token.generation for token in self.tokens)

    def twice_made(self) -> list[set[Token]]:
        """The generations of which there are tokens that differ."""
        made: dict[int, set[Token]] = defaultdict(set)
        for token in self.tokens:
            made[token.generation].add(token)
        return [tokens for tokens in made.values() if len(tokens) > 1]

    @property
    def secrets(self) -> set[str]:
        return {token.secret for token in self.tokens}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """The same session as the database has it in the end."""

    generation: int
    ended: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Forgotten:
    """A time of which the database lost every commit, in a failover."""

    since: float
    until: float

    def holds(self, moment: float) -> bool:
        return self.since <= moment <= self.until

    def parts(self, moments: Sequence[int]) -> bool:
        """Whether of these, in whole seconds, the first is lost and the last one later."""
        first, last = min(moments), max(moments) + 1
        return self.since < first + 1 and first <= self.until <= last


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One row of the table: what came of one kind of fault."""

    fault: str
    injected: int
    clients: int
    sessions: int
    refreshes: int
    retries: int
    """Requests that were made again with the same token."""
    unavailable: int
    """Answers 503 with ``Retry-After``."""
    broken: int
    """Connections that were refused or broke, and answers that did not come in time."""
    recovery: float
    """Seconds, at worst, from the end of a fault until every client had refreshed."""
    ended: int
    caught_up: int
    """Tokens that were newer than the row and let in."""
    errors: dict[str, int]
    """Other 5xx, and 503 without ``Retry-After``."""
    lost: dict[str, int]
    """Sessions that behaving clients lost, by the reason that they were told."""
    doubled: int
    """Generations with two different tokens, and rows that are not at the newest one."""
    revived: int
    """Sessions that were let in after their end."""
    forgotten_starts: int
    """Sessions whose sign-in was among the commits that a failover lost."""
    forgotten_ends: int
    """Sessions that live again because their end was among them."""
    forgotten_tokens: int
    """Generations that were made a second time, because the first was among them."""

    @property
    def right(self) -> bool:
        return not (self.errors or self.lost or self.doubled or self.revived)


def outcome(
    fault: str,
    lines: Sequence[Line],
    rows: Mapping[str, Row],
    tally: Counter[str],
    *,
    clients: int,
    recoveries: Sequence[float],
    caught_up: int = 0,
    forgotten: Sequence[Forgotten] = (),
) -> Outcome:
    """Hold what the clients wrote down against the rows."""
    back = [line for line in lines if line.ended_at is not None and _is_back(line, rows)]
    back_by_loss = [line for line in back if _was_forgotten(line.ended_at, forgotten)]
    given_up = [line for line in lines if line.lost_to]
    never_kept = [line for line in given_up if _was_forgotten(line.started_at, forgotten)]
    twice = [tokens for line in lines for tokens in line.twice_made()]
    made_again = [tokens for tokens in twice if _is_made_again(tokens, forgotten)]
    return Outcome(
        fault=fault,
        injected=len(recoveries),
        clients=clients,
        sessions=len(lines),
        refreshes=tally["refreshes"],
        retries=tally["retries"],
        unavailable=tally["503"],
        broken=tally["broken"],
        recovery=round(max(recoveries, default=0.0), 2),
        ended=sum(line.ended_at is not None for line in lines),
        caught_up=caught_up,
        errors={name: count for name, count in tally.items() if name.startswith("wrong ")},
        lost=_reasons(line for line in given_up if line not in never_kept),
        doubled=sum(len(line.secrets) - 1 + _is_split(line, rows) for line in lines)
        + len(twice)
        - len(made_again),
        revived=len(back) - len(back_by_loss),
        forgotten_starts=len(never_kept),
        forgotten_ends=len(back_by_loss),
        forgotten_tokens=len(made_again),
    )


def _is_back(line: Line, rows: Mapping[str, Row]) -> bool:
    row = rows.get(line.session_id)
    return line.let_in_after_end or (row is not None and not row.ended)


def _is_split(line: Line, rows: Mapping[str, Row]) -> bool:
    """Whether a session that lives is elsewhere than its client."""
    row = rows.get(line.session_id)
    return line.lives and (row is None or row.ended or row.generation != line.generation)


def _is_made_again(tokens: set[Token], forgotten: Sequence[Forgotten]) -> bool:
    """Whether a failover lay between: the same token then, but for the moment of its issue."""
    moments = [token.issued_at for token in tokens]
    return any(each.parts(moments) for each in forgotten)


def _was_forgotten(moment: float | None, forgotten: Sequence[Forgotten]) -> bool:
    return moment is not None and any(each.holds(moment) for each in forgotten)


def _reasons(lines: Iterable[Line]) -> dict[str, int]:
    return dict(Counter(line.lost_to for line in lines))


COLUMNS: Mapping[str, str] = {
    "fault": "fault",
    "injected": "times",
    "sessions": "sessions",
    "refreshes": "refreshes",
    "retries": "retries",
    "unavailable": "503",
    "broken": "broken",
    "lost": "lost",
    "doubled": "double",
    "revived": "revived",
    "errors": "other 5xx",
    "recovery": "recovery s",
}


def table(outcomes: Sequence[Outcome]) -> str:
    """All of them in Markdown, and below it what has to be explained."""
    rows = [list(COLUMNS.values()), *([_cell(each, name) for name in COLUMNS] for each in outcomes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    written = [" | ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)) for r in rows]
    written.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join([*(f"| {line} |" for line in written), *_notes(outcomes)])


def _cell(found: Outcome, name: str) -> str:
    value = getattr(found, name)
    return f"{sum(value.values()) if isinstance(value, dict) else value}"


def _notes(outcomes: Sequence[Outcome]) -> list[str]:
    notes = []
    for each in outcomes:
        for why in (each.lost, each.errors):
            notes += [f"{each.fault}: {count} x {reason}" for reason, count in why.items()]
        if each.caught_up or each.forgotten_starts or each.forgotten_ends:
            notes.append(
                f"{each.fault}: {each.caught_up} caught up; with the lost commits went "
                f"{each.forgotten_starts} sign-ins and {each.forgotten_ends} ends; "
                f"{each.forgotten_tokens} tokens were made again"
            )
    return ["", *notes] if notes else []
