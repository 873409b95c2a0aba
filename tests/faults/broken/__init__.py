"""Builds of the service with one thing broken on purpose: what cannot fail proves nothing.

`python -m tests.faults.broken BUILD serve|worker|up …` starts the service as its own command
does, after one class was replaced where it is wired. The service knows nothing of it.
"""
