"""The addresses given to identity providers."""
