"""What all endpoints share: JSON in and out, no copy kept, no default of the project in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db import connections, transaction
from django.utils.cache import patch_vary_headers
from django.views.decorators.common import no_append_slash
from django.views.decorators.debug import sensitive_variables
from rest_framework.authentication import BaseAuthentication
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from .api_errors import CHALLENGE, exception_handler
from .delivery import BODY, Delivery, forbid_storing, members
from .device import Device
from .lifecycle import IssuedTokens
from .parsers import StrictJSONParser, media_type, settle_length

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class AlwaysJSON(BaseContentNegotiation):
    """An error page for whoever prefers HTML would be one more thing to get wrong."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return next((p for p in parsers if p.media_type == media_type(request)), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type


class LifecycleView(APIView):
    """What all endpoints share: JSON in and out, no caching, no project-wide default in between.

    The project's DRF defaults (renderers, throttles, exception handler …) are not used: a contract
    that clients program against must not change with a setting made for other views.
    """

    #: Set by the URLconf.
    delivery: ClassVar[Delivery] = BODY

    authentication_classes: Sequence[type[BaseAuthentication]] = ()
    permission_classes: Sequence[type[BasePermission]] = (AllowAny,)
    throttle_classes: Sequence[type[BaseThrottle]] = ()
    parser_classes = (StrictJSONParser,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = AlwaysJSON
    versioning_class = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """A view outside of any request-wide transaction, whatever ``ATOMIC_REQUESTS`` says.

        The revocation that a refusal writes must not be rolled back with the refusal. And no
        ``APPEND_SLASH``.
        """
        view = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        # A redirect would come after the secret has been sent to the wrong place (RFC 9700 §4.12).
        return no_append_slash(view)

    @sensitive_variables()  # passwords and tokens, which an error report would show
    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        # What the project's own part of the route captured (a tenant, a language) stays there.
        ours = {name: value for name, value in kwargs.items() if name == "session_id"}
        return super().dispatch(request, **ours)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if request.method not in self.allowed_methods:
            self.http_method_not_allowed(request)
        if request.method not in SAFE_METHODS:
            settle_length(request._request)
            self.delivery.check(request)
        super().initial(request, *args, **kwargs)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        finished = super().finalize_response(request, response, *args, **kwargs)
        forbid_storing(finished)
        patch_vary_headers(finished, ["Authorization", "Cookie"])
        return finished

    def get_exception_handler(self) -> Any:
        return exception_handler

    def get_authenticate_header(self, request: Request) -> str:
        # Without it DRF turns the 401 of a view that has no authenticators into a 403.
        return super().get_authenticate_header(request) or CHALLENGE

    def check_throttles(self, request: Request) -> None:
        # Who only asks about an endpoint (OPTIONS) uses up no tries: a picture could do that.
        if request.method in SAFE_METHODS:
            return
        # Up to the first refusal: an address over its limit uses up no tries of an account.
        for throttle in self.get_throttles():
            self.ask(throttle)

    def ask(self, throttle: BaseThrottle) -> None:
        if not throttle.allow_request(self.request, self):
            self.throttled(self.request, throttle.wait() or 1)

    def device(self, name: str = "") -> Device:
        """The client that sent this request."""
        return Device.from_request(self.request, name=name)

    def answer(self, request: Request, issued: IssuedTokens) -> Response:
        """A pair of tokens, the refresh token where the delivery puts it."""
        response = Response(members(issued))
        self.delivery.deliver(response, request, issued)
        return response
