"""What runs all the time beside the web server: the relay, which wakes workers and delivers where none comes, and the
clock with its leases and the engine's own scheduled jobs. Started by `flask events relay`; nobody else imports it.
"""
