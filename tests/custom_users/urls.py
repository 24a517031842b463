"""The admin is not among them: it asks of a user what these models do not have."""

from django.urls import include, path
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView


class WhoAmI(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"user": str(request.user.pk)})


urlpatterns = [
    path("auth/", include("token_lifecycle.urls")),
    path("whoami/", WhoAmI.as_view()),
]
