"""``{% token_lifecycle_config %}``: tells the browser client where the endpoints are."""

from __future__ import annotations

from typing import Any

from django import template
from django.conf import settings
from django.http.request import HttpHeaders
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils.html import json_script
from django.utils.safestring import SafeString

from ..mounts import APP_NAME, attributes_at, mount_beside, namespace_at

register = template.Library()

#: Where ``readConfig()`` of ``client.js`` looks unless told otherwise.
ELEMENT_ID = "token-lifecycle-config"


@register.simple_tag(takes_context=True)
def token_lifecycle_config(
    context: template.Context,
    namespace: str = APP_NAME,
    element_id: str = ELEMENT_ID,
    **captured: Any,
) -> SafeString:
    """The options of ``createAuth()`` as a block of JSON, which needs no exception in a CSP.

    ``namespace`` chooses between several mounts of ``token_lifecycle.browser_urls``. What the
    route of a mount captures is named too: ``{% token_lifecycle_config tenant=tenant.slug %}``.
    """
    match = getattr(context.get("request"), "resolver_match", None)

    def url(name: str) -> str:
        current_app = match.namespace if match else None
        return reverse(f"{namespace}:{name}", kwargs=captured, current_app=current_app)

    mount = mount_beside(url("csrf"))
    return json_script(
        {
            "refreshUrl": url("refresh"),
            "logoutUrl": url("logout"),
            "logoutAllUrl": url("logout-all"),
            "csrfUrl": url("csrf"),
            "loginUrl": resolve_url(settings.LOGIN_URL),
            "namespace": namespace_at(mount),
            "hintCookie": attributes_at(mount).hint_name,
            "csrf": {
                "cookie": settings.CSRF_COOKIE_NAME,
                "header": HttpHeaders.parse_header_name(settings.CSRF_HEADER_NAME),
            },
        },
        element_id,
    )
