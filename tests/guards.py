"""The lines of the app on which its promises rest, each with a weaker one in its place.

``test_guards`` puts the weaker line into a copy of the app, and the named tests have to fail there.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Guard:
    """One line, and who notices when it is gone."""

    promise: str
    file: str
    line: str
    """As it stands there, once."""
    weaker: str
    tests: tuple[str, ...]


GUARDS = [
    Guard(
        promise="a generation is claimed once",
        file="statements.py",
        line='generation = {"generation__lte" if catch_up else "generation": consumed}',
        weaker='generation = {"generation__gte": consumed}',
        tests=(
            "test_managers.py::test_a_generation_is_claimed_once",
            "test_managers.py::test_no_other_generation_than_the_rows_can_be_claimed",
        ),
    ),
    Guard(
        promise="no claim succeeds once the session is over",
        file="statements.py",
        line="rows = model.objects.live(now).filter(pk=pk, **generation)",
        weaker="rows = model.objects.filter(pk=pk, expires_at__gt=now, **generation)",
        tests=(
            "test_managers.py::test_what_was_ended_since_it_was_read_cannot_be_claimed",
            "test_invariants.py::test_invariant_03_once_revoked_by_anyone_no_refresh_succeeds_again",
        ),
    ),
    Guard(
        promise="a used refresh token that comes back ends the session",
        file="refresh.py",
        line="            end_for_reuse(session, token, device, now)",
        weaker="            raise TokenSuperseded(session_id=session.pk)",
        tests=(
            "test_refresh.py::test_after_grace_a_consumed_token_ends_the_session",
            "test_invariants.py::test_invariant_04_reuse_ends_that_session_and_no_other",
        ),
    ),
    Guard(
        promise="a key that leaked makes no refresh token",
        file="refresh.py",
        line="if not tokens.secret_matches(token.secret, session.secret_digest):",
        weaker="if not session.secret_digest:",
        tests=(
            "test_refresh.py::test_what_is_not_ours_is_refused_and_ends_nothing",
            "test_bad_input.py::test_a_forged_refresh_token_is_refused_everywhere[sec wrong]",
        ),
    ),
    Guard(
        promise="access and refresh tokens exclude each other",
        file="tokens.py",
        line="if claims.get(token_type_claim()) != token_type:",
        weaker="if token_type_claim() not in claims:",
        tests=(
            "test_tokens.py::TestStrictness::test_other_things_signed_with_the_same_key_are_refused",
        ),
    ),
    Guard(
        promise="an access token dies with its session",
        file="lifecycle.py",
        line="if session is None or session.user is None or not session.is_live(now):",
        weaker="if session is None or session.user is None:",
        tests=(
            "test_authentication.py::TestRefused::test_an_ended_session_is_refused_at_the_next_request",
            "test_lifecycle.py::test_the_check_refuses_a_session_that_is_over",
        ),
    ),
    Guard(
        promise="whoever was signed out with everybody is",
        file="managers.py",
        line="            created_at__gt=newest_cutoff_or_never(self.model),\n",
        weaker="",
        tests=(
            "test_everybody.py::test_a_claim_that_is_under_way_loses",
            "test_everybody.py::test_those_it_ended_are_no_longer_live_in_any_list",
        ),
    ),
    Guard(
        promise="no other site can use the cookie endpoints",
        file="delivery.py",
        line="        if reason:\n",
        weaker="        if not check:\n",
        tests=(
            "test_delivery_csrf.py::test_a_sign_in_can_not_be_forged_either",
            "test_delivery_csrf.py::test_a_bearer_does_not_excuse_from_the_check",
        ),
    ),
    Guard(
        promise="no script reads the refresh cookie",
        file="cookies.py",
        line="        httponly=True,\n",
        weaker="        httponly=False,\n",
        tests=(
            "test_delivery.py::TestObtain::test_the_cookie_goes_to_the_refresh_endpoints_alone",
            "test_cookies.py::TestSetting::test_the_token_travels_in_a_cookie_that_no_script_can_read",
        ),
    ),
    Guard(
        promise="nobody keeps a copy of a token",
        file="delivery.py",
        line='response.headers["Cache-Control"] = "no-store"',
        weaker='response.headers["Cache-Control"] = "private"',
        tests=(
            "test_views_obtain.py::TestObtain::test_a_password_starts_a_session",
            "test_delivery.py::TestRefresh::test_the_cookie_is_exchanged_for_a_new_one",
        ),
    ),
    Guard(
        promise="staff end sessions only with the permission to",
        file="admin/ending.py",
        line='return request.user.has_perm(f"{self.opts.app_label}.end_session")',
        weaker="return request.user.is_staff",
        tests=(
            "test_admin.py::test_everybody_can_do_what_their_permissions_say_and_nothing_else"
            "[viewer-end one]",
            "test_admin.py::test_everybody_can_do_what_their_permissions_say_and_nothing_else"
            "[viewer-end from the list]",
        ),
    ),
    Guard(
        promise="staff end no session that they may not see",
        file="admin/ending.py",
        line="            self.get_queryset(request).filter(user__in=users),\n",
        weaker="            Session.objects.filter(user__in=users),\n",
        tests=(
            "test_admin.py::test_all_sessions_of_a_user_are_those_inside_of_a_restricted_queryset",
        ),
    ),
]
