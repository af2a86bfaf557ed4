"""What every context knows of odometers."""

MAX_KILOMETRES = 5_000_000
"""No odometer shows more."""
