"""When a vehicle is free: a calendar that reacts to what others announce, and its conflicts."""
