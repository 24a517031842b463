"""Every page and endpoint there is, and a sign-in for those of Django's sessions."""

from django.contrib.auth.views import LoginView
from django.urls import include, path

from tests.urls import urlpatterns as usual

urlpatterns = [
    *usual,
    path("devices/", include("token_lifecycle.device_urls")),
    path("accounts/login/", LoginView.as_view(template_name="admin/login.html")),
]
