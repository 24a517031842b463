"""The sessions of a user in Django's admin, with the user model that the settings name.

Run by ``tests/test_admin_user_panel.py``, in a process of its own for each model.
"""

import re
from html import unescape

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from token_lifecycle.testing import SessionFactory, UserFactory

User = get_user_model()
USER = f"admin:custom_users_{User._meta.model_name}_change"

pytestmark = pytest.mark.django_db

#: What a key may look like, where the project chooses it.
KEYS = ["Åsa", "a b", "a'b", 'a"b', "a/b?c#d", "a_b", "_2F", "ключ", "..", "a/end"]
USERS = [{"handle": key} for key in KEYS] if User.__name__ == "Account" else [{}]


@pytest.fixture
def browser(monkeypatch):
    """A member of staff who may do everything, which these models know nothing of."""
    for name in ("has_perm", "has_perms", "has_module_perms"):
        monkeypatch.setattr(User, name, lambda *args: True, raising=False)
    monkeypatch.setattr(User, "is_staff", True, raising=False)
    client = Client()
    client.force_login(UserFactory(), "django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize("fields", USERS, ids=str)
def test_the_panel_shows_and_ends_the_sessions_of_a_user_with_any_key(browser, fields):
    user = UserFactory(**fields)
    session, stranger = SessionFactory(user=user, device_name="Anna's phone"), SessionFactory()
    page_of_user = reverse(USER, args=[quote(user.pk)])
    page = browser.get(page_of_user).content.decode()
    assert "Anna&#x27;s phone" in page
    url = unescape(re.search(r'href="([^"]+/end-all-of/[^"]+)"', page)[1])
    assert "1 live session will end." in browser.get(url).content.decode()
    assert browser.post(url, {"confirmed": "yes"}).url == page_of_user
    session.refresh_from_db()
    stranger.refresh_from_db()
    assert session.revoked_at is not None
    assert stranger.revoked_at is None


@pytest.mark.parametrize("fields", USERS, ids=str)
def test_the_page_of_a_session_leads_to_its_user_and_to_all_their_sessions(browser, fields):
    session, stranger = SessionFactory(user=UserFactory(**fields)), SessionFactory()
    page = browser.get(reverse("admin:token_lifecycle_session_change", args=[session.pk]))
    summary = page.context["summary"]
    assert browser.get(summary.user_url).status_code == 200
    listed = browser.get(summary.sessions_url).context["cl"].result_list
    assert list(listed) == [session]
    assert stranger not in listed


@pytest.mark.parametrize("key", ["abc/def", "x" * 1000, "%00", "-", "_"])
def test_a_key_that_nobody_has_is_missing(browser, key):
    SessionFactory()
    url = reverse("admin:token_lifecycle_session_end_all_of", args=["KEY"])
    assert browser.get(url.replace("KEY", key)).status_code == 404
