"""The HTTP API: one controller module per tag of the contract."""
