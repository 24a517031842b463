"""What to type: a walk through the life of a session, in lines that work when pasted."""

import json
from textwrap import dedent, indent

from .people import CUSTOMERS, PASSWORD

#: Commands are indented by this, and nothing else is.
COMMAND_INDENT = " " * 6

STEPS = (
    (
        "Some shorthand for what follows.",
        """
        HOST=@HOST@
        JSON='Content-Type: application/json'
        field() { python3 -c "import json, sys; print(json.load(sys.stdin)['$1'])"; }
        refresh() { curl -s "$HOST/api/auth/refresh/" -H "$JSON" -d "{\\"refresh\\": \\"$1\\"}"; }
        """,
    ),
    (
        "Sign in, and keep both tokens.",
        """
        ANSWER=$(curl -s "$HOST/api/auth/obtain/" -H "$JSON" -d '@CREDENTIALS@')
        ACCESS=$(echo "$ANSWER" | field access)
        FIRST=$(echo "$ANSWER" | field refresh)
        """,
    ),
    (
        "Call something protected, with the access token.",
        """
        curl -s "$HOST/api/orders/" -H "Authorization: Bearer $ACCESS"; echo
        """,
    ),
    (
        "Refresh, and at once again with the same token, as if the first answer had been lost.\n"
        "Both are given the same successor. Paste all of it together: there are 10 seconds.",
        """
        ANSWER=$(refresh "$FIRST"); AGAIN=$(refresh "$FIRST")
        ACCESS=$(echo "$ANSWER" | field access)
        SECOND=$(echo "$ANSWER" | field refresh)
        test "$(echo "$AGAIN" | field refresh)" = "$SECOND" && echo "the same token twice"
        """,
    ),
    (
        "See on which devices you are signed in; this one is the current.",
        """
        curl -s "$HOST/api/auth/sessions/" -H "Authorization: Bearer $ACCESS" | python3 -m json.tool
        """,
    ),
    (
        "Log out on all of them.",
        """
        curl -s -X POST "$HOST/api/auth/logout-all/" -H "Authorization: Bearer $ACCESS"; echo
        """,
    ),
    (
        "Both tokens are refused from now on, though neither has expired.",
        """
        curl -s "$HOST/api/orders/" -H "Authorization: Bearer $ACCESS"; echo
        refresh "$SECOND"; echo
        """,
    ),
)


def walkthrough(host: str) -> str:
    """The steps as a text, for the server at ``host``."""
    credentials = json.dumps(
        {"username": CUSTOMERS[0], "password": PASSWORD, "device_name": "Terminal"}
    )
    text = "\n\n".join(
        _step(number, says, types) for number, (says, types) in enumerate(STEPS, start=1)
    )
    return text.replace("@HOST@", host).replace("@CREDENTIALS@", credentials)


def _step(number: int, says: str, types: str) -> str:
    sentence = indent(says, "   ").lstrip()
    return f"{number}. {sentence}\n\n{indent(dedent(types).strip(), COMMAND_INDENT)}"
