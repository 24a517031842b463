#!/usr/bin/env python
"""Runs the commands of the example project: ``python manage.py demo`` is the one to start with."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
