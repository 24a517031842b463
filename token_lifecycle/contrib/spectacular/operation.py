"""What is said of one method of one endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .answers import Answers
from .security import Requirement
from .shapes import Schema


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """What a request carries."""

    schema: Schema
    example: dict[str, Any]
    required: bool = True

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self.schema.get("properties", {}))


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One method of one endpoint."""

    name: str
    summary: str
    answers: Answers
    security: list[Requirement] = field(default_factory=list)
    body: Body | None = None
    parameters: list[dict[str, Any]] = field(default_factory=list)


def operation_id(name: str, *, cookie: bool) -> str:
    return f"auth_browser_{name}" if cookie else f"auth_{name}"
