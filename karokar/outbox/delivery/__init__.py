"""How recorded events reach their handlers: who subscribed, what a batch means for whom, calling handlers, and what
happens to deliveries that fail or wait. The processes run it, operations ask it to try again, tests call `drain`.
Nothing outside of the engine decides anything here.
"""
