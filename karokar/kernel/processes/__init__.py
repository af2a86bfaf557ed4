"""What a process that serves for long needs: its sign of life, its memory, and the base of its commands.

The engine, runs, notification and the command line use it.
"""
