"""The two lines a project adds, and what the shop brings."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/auth/", include("token_lifecycle.urls")),  # API and mobile clients
    path("auth/", include("token_lifecycle.browser_urls")),  # browsers
    path("", include("example_project.shop.urls")),
    path("admin/", admin.site.urls),
]
