"""The project as the server runs it."""

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
get_wsgi_application()  # sets Django up, which ``handlers`` needs

from .handlers import wsgi_application  # noqa: E402

application = wsgi_application()
