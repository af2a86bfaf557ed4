"""What is found at a handover or return of a vehicle, and what odometers can show."""
