"""Files that come in: what they are, read and cleaned in a process with limits, scanned, held, and kept by hash."""
