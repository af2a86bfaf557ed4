"""Vehicles: the list, one vehicle with all that is known of it, maintenance, odometers, and who had which."""
