"""The two lines a project adds, and what the shop brings."""

from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path

from token_lifecycle import device_urls

sign_in = [
    path("api/auth/", include("token_lifecycle.urls")),  # API and mobile clients
    path("auth/", include("token_lifecycle.browser_urls")),  # browsers
]

urlpatterns = [
    *sign_in,
    path("", include("example_project.shop.urls")),
    # A page without a script, here for whoever signed in to the admin.
    path("devices/", include(device_urls.urls(login_url="admin:login"))),
    path("admin/", admin.site.urls),
]

# Not needed to run the example; where drf-spectacular is installed, it describes the endpoints.
if find_spec("drf_spectacular"):
    from drf_spectacular.views import SpectacularJSONAPIView

    import token_lifecycle.contrib.spectacular  # noqa: F401

    schema = SpectacularJSONAPIView.as_view(patterns=sign_in)
    urlpatterns.append(path("api/schema/", schema, name="schema"))
