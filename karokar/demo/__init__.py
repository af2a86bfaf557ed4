"""The example data that a new installation starts with."""
