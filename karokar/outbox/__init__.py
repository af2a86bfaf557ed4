"""From signal to handler: recording, ordering, delivering, repairing."""
