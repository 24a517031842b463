"""A small project around the endpoints: an API, a page, a login page."""

from pathlib import Path

from django.contrib.staticfiles.views import serve as serve_static
from django.http import HttpResponse
from django.template import RequestContext, Template
from django.urls import include, path, re_path
from django.views.static import serve
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.parsers import FormParser, JSONParser, MultiPartParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from tests.browser import stage
from token_lifecycle.api_errors import BearerRefused
from token_lifecycle.authentication import SessionTokenAuthentication
from token_lifecycle.exceptions import TokenExpired

NODE_MODULES = Path(__file__).parents[2] / "node_modules"

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>App</title>
<link rel="icon" href="data:,">
<script type="module">
  import { createAuth } from '/static/token_lifecycle/client.min.js';
  window.events = [];
  window.left = [];
  window.auth = createAuth({
    loginUrl: '/login/',
    onLogout: (reason) => { window.left.push(reason); return window.stay; },
    ...window.options,
  });
  window.auth.subscribe((event) => window.events.push(event));
</script>
"""

CONFIGURED_PAGE = """<!doctype html>
<html lang="en"><title>App</title><link rel="icon" href="data:,">
{% load token_lifecycle %}{% token_lifecycle_config %}
<script type="module">
  import { createAuth, readConfig } from '/static/token_lifecycle/client.js';
  window.options = readConfig();
  window.auth = createAuth(window.options);
</script>
"""

LOGIN_PAGE = """<!doctype html>
<html lang="en"><title>Sign in</title><link rel="icon" href="data:,"><h1>Sign in</h1>
"""


class ExpiringAuthentication(SessionTokenAuthentication):
    """The real thing, and access tokens that end when a test says so."""

    def authenticate(self, request):
        result = super().authenticate(request)
        if result and result[1].claims["jti"] not in stage.STAGE.honoured:
            raise BearerRefused(TokenExpired())
        return result


class Echo(APIView):
    """A protected view that tells what reached it."""

    authentication_classes = (ExpiringAuthentication,)
    permission_classes = (IsAuthenticated,)
    parser_classes = (JSONParser, FormParser, MultiPartParser)

    def get(self, request):
        return Response({"user": request.user.get_username(), "query": request.query_params})

    def post(self, request):
        files = {name: file.read().decode() for name, file in request.FILES.items()}
        fields = {name: value for name, value in request.data.items() if name not in files}
        return Response({"fields": fields, "files": files})

    put = post


class Grumpy(APIView):
    """Answers 401 whoever asks, for a reason of its own."""

    authentication_classes = (ExpiringAuthentication,)

    def get(self, request):
        raise AuthenticationFailed("The moon is in the wrong phase.", "moon")


def page(request):
    return HttpResponse(PAGE)


def configured_page(request):
    """As a project's own template would have it: the readable source, set up by the tag."""
    return HttpResponse(Template(CONFIGURED_PAGE).render(RequestContext(request)))


def login(request):
    return HttpResponse(LOGIN_PAGE)


urlpatterns = [
    path("auth/", include("token_lifecycle.browser_urls")),
    path("api/echo/", Echo.as_view()),
    path("api/grumpy/", Grumpy.as_view()),
    path("page/", page),
    path("configured/", configured_page),
    path("login/", login),
    path("stage/<str:action>/", stage.control),
    re_path("^static/(?P<path>.*)$", serve_static, {"insecure": True}),
    path("node_modules/<path:path>", serve, {"document_root": NODE_MODULES}),
]
