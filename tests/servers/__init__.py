"""Real servers for tests: PostgreSQL and Valkey, started once per run when first asked for, and Chromium found."""
