"""A project's URLs, as in the whole suite, and a way to let time pass in the server."""

from __future__ import annotations

import datetime as dt

import time_machine
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from tests.urls import urlpatterns as project_urls


@csrf_exempt
def advance(request, seconds):
    """The server's clock, and only the server's, goes forward."""
    now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    time_machine.travel(now, tick=True).start()
    return HttpResponse(status=204)


urlpatterns = [*project_urls, path("advance/<int:seconds>/", advance)]
