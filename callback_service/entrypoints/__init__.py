"""How the world reaches us: controllers by operationId, Celery tasks, the command line."""
