"""How we reach the world: one library in each."""
