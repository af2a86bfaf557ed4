"""What queries and pages agree on without knowing each other: pages of a list, the digest of what was shown, and the
shapes of tasks, figures and search results. Queries and `web` use it.
"""
