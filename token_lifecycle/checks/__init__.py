"""System checks: a setting that would silently do nothing, or do harm, is reported at start-up.

One small function per rule. Each returns its messages; none raises, whatever a setting holds.
"""

from __future__ import annotations

from django.core.checks import Tags, register

from . import cookies, keys, mounts, surroundings, users, values

CHECKS = (
    values.check_shape,
    values.check_simple_jwt,
    values.check_durations,
    values.check_memory,
    values.check_push,
    values.check_throttle_rates,
    values.check_claims_hook,
    cookies.check_cookie,
    cookies.check_csrf_cookie,
    users.check_user_id_field,
    users.check_claim_names,
    keys.check_signing_key,
    keys.check_single_key,
    keys.check_fetched_keys,
    keys.check_key_ring,
    keys.check_key_ages,
    mounts.check_cookie_path,
    mounts.check_mounts,
    mounts.check_views_of_simplejwt,
    surroundings.check_neighbours,
    surroundings.check_authenticators,
    surroundings.check_clock,
    surroundings.check_autocommit,
)

#: Asked with ``check --deploy`` only: development may do without.
DEPLOYMENT_CHECKS = (
    cookies.check_insecure_cookie,
    keys.check_shared_keys,
    surroundings.check_cache,
)


def register_all() -> None:
    """Tell Django of every check."""
    for check in CHECKS:
        register(check, Tags.security)
    for check in DEPLOYMENT_CHECKS:
        register(check, Tags.security, deploy=True)
