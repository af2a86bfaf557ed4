"""What leaves: error pages and problem documents, headers, cookies, static and stored files, live parts, and the
security log of what was refused or handed out. Views use it; `web.setup` installs the rest.
"""
