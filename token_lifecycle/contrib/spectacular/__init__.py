"""What drf-spectacular has to know to describe these endpoints, and views that use the tokens.

Needs the extra ``openapi``. Importing this module is enough, for drf-spectacular finds extensions
among what has been imported; once, where the project is made ready::

    class ShopConfig(AppConfig):
        name = "shop"

        def ready(self):
            import token_lifecycle.contrib.spectacular

Everything is read from the settings when a schema is made: the name of the username field and of
the cookie, the status of a refused refresh.
"""

from __future__ import annotations

from typing import Any

try:
    from drf_spectacular.drainage import set_override
    from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiViewExtension
    from drf_spectacular.openapi import AutoSchema
except ModuleNotFoundError as missing:
    if missing.name != "drf_spectacular":
        raise
    raise ImportError("Install django-token-lifecycle[openapi].") from missing

from ...authentication import SessionTokenAuthentication
from .operations import operation_of
from .schema import LifecycleSchema
from .security import ACCESS_TOKEN, access_token

# One scheme, whichever of the classes asks for it and wherever it is met first; drf-spectacular
# takes it for as many as there are classes, and warns that they share a name.
set_override(SessionTokenAuthentication, "suppress_collision_warning", True)

__all__ = ["AccessTokenScheme", "EndpointExtension"]


class AccessTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A bearer token, wherever a view has one of our authenticators or a subclass of them."""

    target_class = "token_lifecycle.authentication.SessionTokenAuthentication"
    match_subclasses = True
    name = ACCESS_TOKEN

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return access_token()


class EndpointExtension(OpenApiViewExtension):  # type: ignore[no-untyped-call]
    """The endpoints of both URLconfs, and what a project makes of them by subclassing."""

    target_class = "token_lifecycle.base_views.LifecycleView"
    match_subclasses = True

    def view_replacement(self) -> Any:
        view = self.target
        if not any(operation_of(view, method) for method in view.http_method_names):
            return view  # the project's own, on top of our base class
        return type(view.__name__, (view,), {"schema": LifecycleSchema()})
