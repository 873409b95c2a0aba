"""TES servers are asked how their tasks stand: within a budget, by one worker at a time."""
