"""What the standards ask of revocation and no other test shows (see docs/standards.md)."""

import pytest
from django.contrib.auth import get_user_model
from django.urls import path
from rest_framework.permissions import IsAdminUser
from rest_framework.response import Response
from rest_framework.views import APIView

from token_lifecycle.testing import UserFactory, sign_in


class StaffOnly(APIView):
    permission_classes = [IsAdminUser]

    def get(self, request):
        return Response("secret")


urlpatterns = [path("staff/", StaffOnly.as_view())]


@pytest.mark.django_db
@pytest.mark.urls(__name__)
@pytest.mark.parametrize("mode", ["database", "memory", "none"])
def test_a_permission_that_was_taken_away_is_gone_at_the_next_request(api, options, mode):
    """REV-11 (ASVS 8.3.2): what a user may do is the database's to say, and not a token's."""
    options(REVOCATION_CHECK=mode)
    user = UserFactory(is_staff=True)
    sign_in(api, user)
    assert api.get("/staff/").status_code == 200
    get_user_model().objects.filter(pk=user.pk).update(is_staff=False)
    assert api.get("/staff/").status_code == 403
