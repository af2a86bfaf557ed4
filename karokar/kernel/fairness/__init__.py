"""How much one may take of what all share, and in which turn: limits, their counting, turns between organizations.

Every door that writes asks `quotas`; `web` reads the same list for requests; whoever works through a queue of several
organizations takes `turns`.
"""
