"""What real engines ask a TES server, alone and with this service, and how soon they notice."""
