"""What things are: frozen values and pure decisions, standard library only."""
