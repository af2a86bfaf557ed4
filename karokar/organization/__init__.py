"""The tenants of the marketplace and the platform's decisions about them."""
