"""Which employee has which vehicle, for a booking or of the company's own."""
