"""What the desk reads, one module per area."""
