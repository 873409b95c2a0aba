"""How fast the service is on this machine, and what its database would allow: `python -m bench`."""
