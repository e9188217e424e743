"""Things to do later, and the worker that does them."""
