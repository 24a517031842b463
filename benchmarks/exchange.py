"""One request that is made again and again, and what its answer changes about the next one.

Plain data, so that the same request can be made through Django's test client and by a process that
knows nothing of Django.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

#: What a browser sends with every request, and what some contenders write down.
USER_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """The next request of one client."""

    path: str
    body: Mapping[str, str] | None = None
    """None makes it a GET."""
    form: bool = False
    """The body goes as a form and not as JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    takes: tuple[str, ...] = ()
    """Where in the answer the value is that the next request has to carry."""

    @property
    def method(self) -> str:
        return "GET" if self.body is None else "POST"

    @property
    def content_type(self) -> str:
        return "application/x-www-form-urlencoded" if self.form else "application/json"

    def content(self) -> bytes:
        """The body as it is sent."""
        if self.body is None:
            return b""
        return (urlencode(self.body) if self.form else json.dumps(self.body)).encode()

    def after(self, answer: bytes) -> Exchange:
        """The exchange that follows this answer.

        The value goes into the body under the name that it had in the answer.
        """
        if not self.takes or self.body is None:
            return self
        value = json.loads(answer)
        for key in self.takes:
            value = value[key]
        return replace(self, body={**self.body, self.takes[-1]: value})
