"""User models as projects write them; ``tests.settings_custom_user`` installs one of them."""
