"""The gateway: what clients ask of a TES server, answered from what is known, or forwarded."""
