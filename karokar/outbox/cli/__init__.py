"""The commands `flask events …` and `flask replay-events`. They sit on top of the engine and may use all of it; only
`outbox.setup` imports them.
"""
