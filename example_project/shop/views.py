"""The shop: a protected API, a password change, and two pages."""

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.generic import TemplateView
from rest_framework import serializers, status
from rest_framework.response import Response
from rest_framework.views import APIView

from token_lifecycle.lifecycle import keep_session

from . import people

#: No script, style, font or image but our own, nothing inline, and no frame around it.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class OrdersView(APIView):
    """What the caller has ordered. Nothing here knows of tokens; the project's settings do."""

    def get(self, request):
        orders = [
            {"number": 1042, "item": "Fountain pen", "total": "48.00"},
            {"number": 1057, "item": "Bottle of ink, blue-black", "total": "12.50"},
            {"number": 1063, "item": "Notebook, dotted", "total": "9.80"},
        ]
        return Response({"customer": request.user.get_username(), "orders": orders})


class PasswordSerializer(serializers.Serializer):
    old_password = serializers.CharField(trim_whitespace=False)
    new_password = serializers.CharField(trim_whitespace=False)

    def validate_old_password(self, value):
        if not self.context["user"].check_password(value):
            raise serializers.ValidationError("This is not your present password.")
        return value

    def validate_new_password(self, value):
        validate_password(value, self.context["user"])
        return value


class PasswordView(APIView):
    """Changes the caller's password: this device stays signed in, every other one is out."""

    def post(self, request):
        serializer = PasswordSerializer(data=request.data, context={"user": request.user})
        serializer.is_valid(raise_exception=True)
        with keep_session(request.auth.session_id):
            request.user.set_password(serializer.validated_data["new_password"])
            request.user.save(update_fields=["password"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class Page(TemplateView):
    """A page that needs no session of Django's: the browser client brings its own."""

    def render_to_response(self, context, **kwargs):
        response = super().render_to_response(context, **kwargs)
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response


class HomeView(Page):
    template_name = "shop/home.html"

    def get_context_data(self, **kwargs):
        return super().get_context_data(
            lifetime=round(settings.SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"].total_seconds()),
            grace=round(settings.TOKEN_LIFECYCLE["REUSE_GRACE_PERIOD"].total_seconds()),
            password=people.PASSWORD,
            **kwargs,
        )


class LoginView(Page):
    template_name = "shop/login.html"

    def get_context_data(self, **kwargs):
        return super().get_context_data(
            people=people.CUSTOMERS, password=people.PASSWORD, next=self.next(), **kwargs
        )

    def next(self):
        """Where to go afterwards: a page of ours, whatever the address says."""
        wanted = self.request.GET.get("next", "")
        ours = url_has_allowed_host_and_scheme(
            wanted,
            allowed_hosts={self.request.get_host()},
            require_https=self.request.is_secure(),
        )
        return wanted if ours else resolve_url("home")
