"""A small shop: one protected API, a password change, and a page to try everything in."""
