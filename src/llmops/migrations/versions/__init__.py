"""One file a change, never edited once it has landed."""
