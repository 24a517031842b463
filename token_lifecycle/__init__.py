"""The whole life of a sign-in: start, refresh, theft, logout, and its removal from the database.

Add ``"token_lifecycle"`` to ``INSTALLED_APPS`` and include ``token_lifecycle.urls``. The verbs a
project calls itself are in :mod:`token_lifecycle.lifecycle`. This module imports nothing, so that
the Python client can be used without Django.
"""

__version__ = "0.1.0"
