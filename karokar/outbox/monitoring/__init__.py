"""How the engine is doing: key figures, dead letters, metrics, health checks, and the proof that its promises are kept.
The console, the command line and `/metrics` read it; it changes nothing but its own tables.
"""
