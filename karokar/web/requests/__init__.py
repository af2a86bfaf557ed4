"""What happens to a request before its view runs: who is acting, whether they may, where it comes from, how much and
how often, in which form its text arrives, and what happens when a session has ended. `web.setup` installs it.
"""
