"""The page "Your devices", for sites that have no client of their own to show it."""

from __future__ import annotations

from datetime import timedelta

from django.urls import URLPattern, path

from . import device_pages
from .device_base import APP_NAME

app_name = APP_NAME


def urls(
    *, recent: timedelta | None = None, login_url: str | None = None
) -> tuple[list[URLPattern], str]:
    """The pages, for ``include``.

    Who ends other sessions has to have signed in so recently; ``login_url`` is where people who
    are not signed in are sent, instead of ``LOGIN_URL``.
    """
    given = {"recent": recent, "login_url": login_url}
    return [
        path("", device_pages.DeviceList.as_view(login_url=login_url), name="list"),
        path(
            "<uuid:session_id>/sign-out/",
            device_pages.EndDevice.as_view(**given),
            name="sign-out",
        ),
        path(
            "sign-out-others/",
            device_pages.EndOtherDevices.as_view(**given),
            name="sign-out-others",
        ),
        path("sign-out-all/", device_pages.EndAllDevices.as_view(**given), name="sign-out-all"),
    ], app_name


urlpatterns, _ = urls()
