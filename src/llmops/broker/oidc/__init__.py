"""The OpenID Connect relying party: pure functions; no database, web, clock or network of its own."""
