"""The measured views: the contenders' own endpoints, and one view per access check."""

from django.conf import settings
from django.urls import include, path
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.authentication import (
    JWTAuthentication,
    JWTStatelessUserAuthentication,
)
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from token_lifecycle.authentication import (
    SessionTokenAuthentication,
    StatelessSessionTokenAuthentication,
)

from .by_hand import ByHand


class Nothing(APIView):
    """The floor: what DRF itself costs."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request):
        return Response({})

    def post(self, request):
        return Response({"got": len(request.data)})


class Checked(APIView):
    """A view that does nothing either, for those who are signed in."""

    permission_classes = (IsAuthenticated,)

    def get(self, request):
        return Response({})


class InMemory(SessionTokenAuthentication):
    """The user from the database, the revocations from memory."""

    revocation_check = "memory"


def checked(*authenticators):
    return Checked.as_view(authentication_classes=authenticators)


urlpatterns = [
    path("nothing/", Nothing.as_view()),
    path("by-hand/refresh/", ByHand.as_view()),
    path("ours/", include("token_lifecycle.urls")),
    path("ours/check/", checked(SessionTokenAuthentication)),
    path("ours/memory/", checked(InMemory)),
    path("ours/stateless/", checked(StatelessSessionTokenAuthentication)),
    path("simplejwt/obtain/", TokenObtainPairView.as_view()),
    path("simplejwt/refresh/", TokenRefreshView.as_view()),
    path("simplejwt/check/", checked(JWTAuthentication)),
    path("simplejwt/stateless/", checked(JWTStatelessUserAuthentication)),
]

if "knox" in settings.INSTALLED_APPS:
    from knox.auth import TokenAuthentication
    from knox.views import LoginView, LogoutAllView
    from rest_framework.authentication import BasicAuthentication

    urlpatterns += [
        path("knox/check/", checked(TokenAuthentication)),
        path("knox/login/", LoginView.as_view(authentication_classes=(BasicAuthentication,))),
        path("knox/logout-all/", LogoutAllView.as_view()),
    ]

if "oauth2_provider" in settings.INSTALLED_APPS:
    from oauth2_provider.contrib.rest_framework import OAuth2Authentication

    urlpatterns += [
        path("oauth/", include("oauth2_provider.urls")),
        path("oauth/check/", checked(OAuth2Authentication)),
    ]

if "allauth" in settings.INSTALLED_APPS:
    from allauth.headless.contrib.rest_framework.authentication import JWTTokenAuthentication

    urlpatterns += [
        path("check/allauth/", checked(JWTTokenAuthentication)),
        path("allauth/", include("allauth.headless.urls")),
    ]
