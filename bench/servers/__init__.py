"""What it costs to ask servers that do not call back, and how soon their changes are known."""
