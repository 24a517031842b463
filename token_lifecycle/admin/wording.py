"""What the pages and messages say, with every count in the right number."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..conf import app_settings
from ..models import Session
from .counting import grouped


def busy_text() -> str:
    """That nothing happened."""
    return _("The database was busy, and nothing was changed. Please try again.")


def ended_text(count: int) -> str:
    """That so many sessions were ended, and what that means for tokens already issued."""
    done = ngettext("%(count)d session was ended.", "%(count)d sessions were ended.", count)
    return f"{done % {'count': count}} {effect_text()}"


def effect_text() -> str:
    """When the access tokens of an ended session stop to work."""
    match app_settings.revocation_check:
        case "none":
            minutes = ceil(app_settings.access_token_reach.total_seconds() / 60)
            return ngettext(
                "Access tokens that were already issued work until they expire, "
                "for up to %(minutes)d minute.",
                "Access tokens that were already issued work until they expire, "
                "for up to %(minutes)d minutes.",
                minutes,
            ) % {"minutes": minutes}
        case "memory":
            return _("Access tokens that were already issued are refused within moments.")
        case _:
            return _("Access tokens that were already issued are refused at their next request.")


def what_ends(live: Sequence[Session], over: int, withheld: int = 0) -> list[str]:
    """What ending these does: the ``live`` ones, while ``over`` others need no ending, and
    ``withheld`` ones are not for this member of staff to end.
    """
    if withheld and not live:
        return withheld_text(withheld)
    if not live:
        return [_("None of these sessions is live any more. There is nothing to end.")]
    count, users = len(live), len({session.user_id for session in live})
    end = ngettext("%(count)d live session will end.", "%(count)d live sessions will end.", count)
    belong = ngettext("One user is concerned.", "%(count)d users are concerned.", users)
    sentences = [end % {"count": count}, belong % {"count": users}]
    if over:
        stay = ngettext(
            "%(count)d more is over already and stays as it is.",
            "%(count)d more are over already and stay as they are.",
            over,
        )
        sentences.append(stay % {"count": over})
    return [*sentences, *withheld_text(withheld), effect_text()]


def withheld_text(count: int) -> list[str]:
    """That so many are protected, if any."""
    if not count:
        return []
    text = ngettext(
        "%(count)d session is not yours to end or delete, and stays as it is.",
        "%(count)d sessions are not yours to end or delete, and stay as they are.",
        count,
    )
    return [text % {"count": count}]


def others_text() -> str:
    """That nothing was ended, where the project decides of each session."""
    return _("No session was ended: none of them was live any more and yours to end.")


def own_text() -> str:
    """That whoever asks is concerned."""
    return _("Your own sign-in is among them: you will have to sign in again.")


def not_to_end_text() -> str:
    """That a selection holds what may be deleted only by somebody who may end it."""
    return _("Live sessions are selected, which you may not end. Select only what is over.")


def beyond_text(count: int) -> list[str]:
    """That more are selected than the newest, of which the other sentences tell."""
    text = ngettext(
        "More than one session is selected. The numbers are those of the newest; "
        "the others are treated alike.",
        "More than %(count)s sessions are selected. The numbers are those of the newest "
        "%(count)s; the others are treated alike.",
        count,
    )
    return [text % {"count": grouped(count)}]


def too_many_text(bound: int) -> str:
    """That a selection is larger than what a page can do."""
    text = ngettext(
        "More than one session is selected. Select fewer, or use the command end_sessions.",
        "More than %(count)s sessions are selected. Select fewer, or use the command end_sessions.",
        bound,
    )
    return text % {"count": grouped(bound)}


def too_many_users_text(bound: int) -> str:
    """That a selection is larger than what can be done for each of its users."""
    text = ngettext(
        "More than one session is selected. Select fewer, or end the selected sessions alone.",
        "More than %(count)s sessions are selected. Select fewer, or end the selected sessions "
        "alone.",
        bound,
    )
    return text % {"count": grouped(bound)}


def what_goes(*, ended: int, removed: int, kept: int) -> list[str]:
    """What deleting does to so many of each kind."""
    sentences = []
    if ended:
        text = ngettext(
            "%(count)d session is live and will be ended.",
            "%(count)d sessions are live and will be ended.",
            ended,
        )
        sentences += [text % {"count": ended}, effect_text()]
    if removed:
        text = ngettext(
            "%(count)d session is over and will be removed.",
            "%(count)d sessions are over and will be removed.",
            removed,
        )
        sentences.append(text % {"count": removed})
    if ended or kept:
        sentences.append(kept_text(ended + kept))
    return sentences


def removed_text(count: int) -> str:
    """That so many rows are gone."""
    text = ngettext("%(count)d session was removed.", "%(count)d sessions were removed.", count)
    return text % {"count": count}


def kept_text(count: int) -> str:
    """That so many rows stay, and why."""
    text = ngettext(
        "%(count)d ended session stays on the list until its last access token has expired: "
        "the row is what tells that the token is dead.",
        "%(count)d ended sessions stay on the list until their last access tokens have expired: "
        "the rows are what tells that the tokens are dead.",
        count,
    )
    return text % {"count": count}
