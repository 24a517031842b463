"""The shop's API and its pages; what exists for the demo alone stands last."""

from django.urls import path

from . import tricks, views

urlpatterns = [
    path("", views.HomeView.as_view(), name="home"),
    path("login/", views.LoginView.as_view(), name="login"),
    path("api/orders/", views.OrdersView.as_view(), name="orders"),
    path("api/password/", views.PasswordView.as_view(), name="password"),
    path("demo/lifetime/", tricks.LifetimeView.as_view(), name="demo-lifetime"),
    # Under /auth/, because the browser sends the refresh cookie nowhere else.
    path("auth/demo/steal/", tricks.StealView.as_view(), name="demo-steal"),
    path("auth/demo/replay/", tricks.ReplayView.as_view(), name="demo-replay"),
]
