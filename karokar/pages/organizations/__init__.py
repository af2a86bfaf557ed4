"""Organizations: their own page, the list, the decisions of the platform, and the first steps of a new one."""
