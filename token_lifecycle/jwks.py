"""The public halves of the keys, for whoever verifies our tokens elsewhere (RFC 7517 §5)."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from .base_views import LifecycleView
from .keys import key_ring

#: Seconds for which others may go by what they read. A new key has to stand in the ring for so
#: long before it signs, or there will be tokens that they cannot verify yet.
MAX_AGE = 300

CONTENT_TYPE = "application/jwk-set+json"


class JwksView(LifecycleView):
    """The keys that verify. Of a secret that signs as well as it verifies nothing is shown."""

    def get(self, request: Request) -> Response:
        keys = [key.as_jwk() for key in key_ring().keys if key.is_public]
        return Response({"keys": keys}, content_type=CONTENT_TYPE)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if answer.status_code == 200:  # the same for everybody
            answer.headers["Cache-Control"] = f"public, max-age={MAX_AGE}"
            del answer.headers["Pragma"], answer.headers["Vary"]
        return answer
