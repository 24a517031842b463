"""Sign-ins through Django's own sessions, shown and ended in one list with all others.

Each is an ordinary row of :class:`~token_lifecycle.models.Session` whose id is kept in the data of
the Django session, and nowhere in the browser. So whatever ends a session ends these as well::

    INSTALLED_APPS = [..., "token_lifecycle", "token_lifecycle.contrib.browser_sessions"]

    MIDDLEWARE = [
        ...,
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "token_lifecycle.contrib.browser_sessions.middleware.BrowserSessionMiddleware",
    ]

No Django session key is stored: who reads the rows cannot become anybody.
"""
