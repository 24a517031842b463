"""The endpoints for API and mobile clients: the refresh token travels in the JSON body."""

from django.urls import path

from . import jwks, views

app_name = "token_lifecycle"

urlpatterns = [
    path("obtain/", views.ObtainView.as_view(), name="obtain"),
    path("refresh/", views.RefreshView.as_view(), name="refresh"),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path("logout-all/", views.LogoutAllView.as_view(), name="logout-all"),
    path("sessions/", views.SessionListView.as_view(), name="session-list"),
    # Any text, so that a malformed id is answered by the view, as JSON.
    path("sessions/<str:session_id>/", views.SessionDetailView.as_view(), name="session-detail"),
    path("jwks/", jwks.JwksView.as_view(), name="jwks"),
]
