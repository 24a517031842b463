"""What a project can listen to. Sent by ``journal`` alone, after the commit, never with a token.

The sender is always the ``Session`` model. A receiver that raises is logged and does not undo
what happened, nor does it turn the answer into an error.
"""

from __future__ import annotations

from django.dispatch import Signal

#: session, user, device
session_started = Signal()

#: session, device. A won rotation; a retry inside the grace period is not one.
token_rotated = Signal()

#: session, device, generation (of the token that came back). The session has been ended.
reuse_detected = Signal()

#: session, device, generation (of the token). The database had lost commits; see docs/concepts.md.
database_caught_up = Signal()

#: session, device, previous_user_agent. A refresh came from another client than the last one that
#: is known; the first client of a session that was started without one is no new one.
new_client_seen = Signal()

#: sessions (a QuerySet of what this call ended, not evaluated), count, reason, user (None when
#: several users were concerned; of one who was deleted a copy that has the key), actor (who did it,
#: or None), device (from where, or None), at
session_revoked = Signal()

#: user, limit, device. A sign-in was refused because of ``SESSION_LIMIT_POLICY = "refuse"``.
session_limit_reached = Signal()

#: actor (who did it, or None), device, at. Every session that had begun is over; each is announced
#: by ``session_revoked`` when its row is written (``lifecycle.sweep``).
everybody_ended = Signal()
