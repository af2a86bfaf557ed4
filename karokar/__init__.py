"""KaroKar: the admin console of a marketplace on which companies book vehicles for their employees."""
