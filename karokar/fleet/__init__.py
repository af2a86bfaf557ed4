"""Vehicles, their maintenance and their odometers."""
