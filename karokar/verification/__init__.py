"""Documents that prove something about an organization, a vehicle or a person, and their review."""
