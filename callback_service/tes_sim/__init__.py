"""A scripted TES server: tasks that do nothing but change their states, as real servers would."""
