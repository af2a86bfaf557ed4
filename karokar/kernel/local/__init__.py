"""What depends on where people are: days, time zones and countries. Every part may use it."""
