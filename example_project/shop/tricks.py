"""What only a demo does: access tokens that live for seconds, and a thief. Not to be copied."""

from datetime import timedelta

from django.conf import settings
from rest_framework import serializers, status
from rest_framework.response import Response
from rest_framework.views import APIView

from token_lifecycle import lifecycle
from token_lifecycle.cookies import PLAIN_NAME
from token_lifecycle.exceptions import TokenRefused

from .people import THIEF

#: Where the thief keeps the loot: a cookie, so that the page sees it as little as the real one.
POCKET = "demo_stolen"


class LifetimeSerializer(serializers.Serializer):
    seconds = serializers.IntegerField(min_value=1, max_value=900)


class LifetimeView(APIView):
    """How long the access tokens live that this process issues from now on."""

    def post(self, request):
        serializer = LifetimeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        lifetime = timedelta(seconds=serializer.validated_data["seconds"])
        settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"] = lifetime
        return Response(serializer.data)


class StealView(APIView):
    """Copies the refresh token of the caller's browser, as a thief with access to it would."""

    def post(self, request):
        response = Response(status=status.HTTP_204_NO_CONTENT)
        response.set_cookie(
            POCKET,
            request.COOKIES.get(PLAIN_NAME, ""),
            max_age=300,
            path="/auth/demo/",
            httponly=True,
            samesite="Strict",
        )
        return response


class ReplayView(APIView):
    """Presents the stolen token, from somewhere else. The caller need not be signed in."""

    authentication_classes = ()
    permission_classes = ()

    def post(self, request):
        try:
            lifecycle.rotate(request.COOKIES.get(POCKET, ""), device=THIEF)
        except TokenRefused as refusal:
            refused = {"detail": str(refusal), "code": refusal.code}
            return Response(refused, status=status.HTTP_401_UNAUTHORIZED)
        return Response({"detail": "Inside the grace period: the same successor again."})
