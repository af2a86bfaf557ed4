"""A company's request for a vendor's vehicle, from draft to return."""
