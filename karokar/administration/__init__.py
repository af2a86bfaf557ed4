"""The platform's desk: review queue, events console, settings, reports, health."""
