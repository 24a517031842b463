"""A project that uses token_lifecycle as yours would. Start with ``python manage.py demo``."""
