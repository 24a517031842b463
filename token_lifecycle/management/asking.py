"""The question before a command ends sessions, and how it counts them in words."""

from __future__ import annotations

from django.core.management.base import CommandError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from .progress import grouped


def ask(sentence: str) -> None:
    """Go on only after a yes.

    :raises CommandError: after anything else, also where nobody can be asked.
    """
    # Translators: the first letter of "yes" and the word, in small letters, between commas.
    yes = _("y,yes").split(",")
    question = _("Go on? [y/N]")
    try:
        answer = input(f"{sentence} {question} ")
    except EOFError:
        raise CommandError(_("Nobody answered, nothing was ended. See --no-input.")) from None
    except KeyboardInterrupt:
        raise CommandError("\n" + _("Nothing was ended.")) from None
    if answer.strip().lower() not in yes:
        raise CommandError(_("Nothing was ended."))


def will_end(count: int, users: int) -> str:
    text = _("This will end %(sessions)s of %(users)s.")
    return text % {"sessions": sessions_text(count), "users": _users(users)}


def would_end(count: int, users: int) -> str:
    text = _("This would end %(sessions)s of %(users)s.")
    return text % {"sessions": sessions_text(count), "users": _users(users)}


def ended(count: int) -> str:
    return _("Ended %(sessions)s.") % {"sessions": sessions_text(count)}


def sessions_text(count: int) -> str:
    """So many live sessions."""
    text = ngettext("%(count)s live session", "%(count)s live sessions", count)
    return text % {"count": grouped(count)}


def interrupted(done: str) -> CommandError:
    """That the database kept refusing, after so much was done."""
    text = _("The database was busy. Done so far: %(done)s. Run the command again for the rest.")
    return CommandError(text % {"done": done})


def _users(count: int) -> str:
    return ngettext("%(count)s user", "%(count)s users", count) % {"count": grouped(count)}
