"""Real servers for tests: PostgreSQL, PgBouncer, Valkey, started once per run when first asked for; Chromium found."""
