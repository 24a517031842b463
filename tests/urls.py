from django.contrib import admin
from django.urls import include, path
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView


class WhoAmI(APIView):
    """A view as a project would write it: nothing of this app in it but the default settings."""

    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"user": str(request.user.pk)})

    post = get


urlpatterns = [
    path("admin/", admin.site.urls),
    path("auth/", include("token_lifecycle.urls")),
    path("browser/", include("token_lifecycle.browser_urls")),
    path("whoami/", WhoAmI.as_view(), name="whoami"),
]
