"""The bell: wakes whoever delivers events. It carries no fact, so a lost one costs a second and nothing else."""


def ring() -> None:
    """Say that there is something to deliver."""


def clear() -> None:
    """Say that whoever delivers is awake: the next ring wakes somebody again."""
