"""The catalog of events: what each tells, in which shape, who sees it and who reacts."""
