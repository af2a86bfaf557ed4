"""What people decide about deliveries: retry, dismiss, pause, replay and rebuild, and the permission for it. The
console, the command line and runs use it.
"""
