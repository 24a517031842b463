"""Puts the description of an endpoint into the words of drf-spectacular."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, cast

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent

from ...base_views import LifecycleView
from ...delivery import COOKIE
from ...views import CsrfView
from .answers import JSON
from .operation import Body, Operation, operation_id
from .operations import operation_of
from .security import SCHEMES
from .shapes import COMPONENTS

REFERENCE = re.compile(r"#/components/schemas/(\w+)")


class LifecycleSchema(AutoSchema):
    """Takes nothing from the view but which endpoint it is, and how its refresh token travels."""

    def get_operation(
        self,
        path: str,
        path_regex: str,
        path_prefix: str,
        method: str,
        registry: ComponentRegistry,
    ) -> dict[str, Any] | None:
        self.registry, self.path, self.method = registry, path, method.upper()
        self.path_regex, self.path_prefix = path_regex, path_prefix
        describe = operation_of(type(self.view), method)
        if describe is None:
            return super().get_operation(path, path_regex, path_prefix, method, registry)
        operation = describe(cookie=self.by_cookie)
        self._register(operation)
        return {
            "operationId": operation_id(operation.name, cookie=self.by_cookie),
            "summary": operation.summary,
            "tags": ["auth (browser)" if self.by_cookie else "auth"],
            **_if_any("parameters", operation.parameters),
            **_request_body(operation.body),
            "security": operation.security,
            "responses": operation.answers,
        }

    @property
    def by_cookie(self) -> bool:
        view = cast("LifecycleView", self.view)
        return view.delivery is COOKIE or isinstance(view, CsrfView)

    def _register(self, operation: Operation) -> None:
        for name in {scheme for needed in operation.security for scheme in needed}:
            self._add(ResolvedComponent.SECURITY_SCHEMA, name, SCHEMES[name]())
        for name in _components_of(operation.answers):
            self._add(ResolvedComponent.SCHEMA, name, COMPONENTS[name]())

    def _add(self, kind: str, name: str, schema: dict[str, Any]) -> None:
        component = ResolvedComponent(name, kind, schema, name)  # type: ignore[no-untyped-call]
        self.registry.register_on_missing(component)


def _components_of(thing: Any) -> Iterator[str]:
    """The components that are referred to, and those that they refer to."""
    for name in dict.fromkeys(REFERENCE.findall(repr(thing))):
        yield name
        yield from _components_of(COMPONENTS[name]())


def _request_body(body: Body | None) -> dict[str, Any]:
    if body is None:
        return {}
    content = {JSON: {"schema": body.schema, "example": body.example}}
    return {"requestBody": {"required": body.required, "content": content}}


def _if_any(key: str, values: list[Any]) -> dict[str, Any]:
    return {key: values} if values else {}
