"""The endpoints for browsers: the refresh token travels in an HttpOnly cookie, CSRF is enforced."""

from django.urls import path

from . import jwks, session_views, views
from .delivery import COOKIE
from .mounts import APP_NAME

app_name = APP_NAME

urlpatterns = [
    path("csrf/", views.CsrfView.as_view(), name="csrf"),
    path("obtain/", views.ObtainView.as_view(delivery=COOKIE), name="obtain"),
    path("refresh/", views.RefreshView.as_view(delivery=COOKIE), name="refresh"),
    path("logout/", views.LogoutView.as_view(delivery=COOKIE), name="logout"),
    path("logout-all/", session_views.LogoutAllView.as_view(delivery=COOKIE), name="logout-all"),
    path("sessions/", session_views.SessionListView.as_view(delivery=COOKIE), name="session-list"),
    path(
        "sessions/<str:session_id>/",
        session_views.SessionDetailView.as_view(delivery=COOKIE),
        name="session-detail",
    ),
    path("jwks/", jwks.JwksView.as_view(delivery=COOKIE), name="jwks"),
]
