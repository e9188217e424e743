"""Pages above several capabilities."""
