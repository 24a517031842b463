"""The measured views: the contenders' own refresh endpoints, and one view per access check."""

from django.conf import settings
from django.urls import include, path
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import (
    JWTAuthentication,
    JWTStatelessUserAuthentication,
)
from rest_framework_simplejwt.views import TokenRefreshView

from token_lifecycle.authentication import SessionTokenAuthentication


class Nothing(APIView):
    """The floor: what DRF itself costs."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request):
        return Response({})

    def post(self, request):
        return Response({"got": len(request.data)})


class Checked(APIView):
    permission_classes = (IsAuthenticated,)

    def get(self, request):
        return Response({})


def checked(*authenticators):
    return Checked.as_view(authentication_classes=authenticators)


urlpatterns = [
    path("nothing/", Nothing.as_view()),
    path("ours/", include("token_lifecycle.urls")),
    path("ours/check/", checked(SessionTokenAuthentication)),
    path("simplejwt/refresh/", TokenRefreshView.as_view()),
    path("simplejwt/check/", checked(JWTAuthentication)),
    path("simplejwt/stateless/", checked(JWTStatelessUserAuthentication)),
]

if "knox" in settings.INSTALLED_APPS:
    from knox.auth import TokenAuthentication

    urlpatterns.append(path("knox/check/", checked(TokenAuthentication)))

if "oauth2_provider" in settings.INSTALLED_APPS:
    urlpatterns.append(path("oauth/", include("oauth2_provider.urls")))
