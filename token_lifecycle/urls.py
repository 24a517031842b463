"""The endpoints for API and mobile clients: the refresh token travels in the JSON body."""

from django.urls import path

from . import jwks, session_views, views

app_name = "token_lifecycle"

urlpatterns = [
    path("obtain/", views.ObtainView.as_view(), name="obtain"),
    path("refresh/", views.RefreshView.as_view(), name="refresh"),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path("logout-all/", session_views.LogoutAllView.as_view(), name="logout-all"),
    path("sessions/", session_views.SessionListView.as_view(), name="session-list"),
    # Any text, so that a malformed id is answered by the view, as JSON.
    path(
        "sessions/<str:session_id>/",
        session_views.SessionDetailView.as_view(),
        name="session-detail",
    ),
    path("jwks/", jwks.JwksView.as_view(), name="jwks"),
]
