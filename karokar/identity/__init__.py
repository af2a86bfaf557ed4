"""People: accounts, sign-in, sessions, memberships, roles and what they allow."""
