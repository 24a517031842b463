"""The admin, with the plainest page for users that there is."""

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.urls import path

admin.site.register(get_user_model(), admin.ModelAdmin)

urlpatterns = [path("admin/", admin.site.urls)]
