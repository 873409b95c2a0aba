"""`callback-service up`: database, broker, API and workers as one command, data in a folder."""
