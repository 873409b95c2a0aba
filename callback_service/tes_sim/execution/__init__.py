"""Tasks whose commands run on this machine, for tests: as the user, without a container."""
