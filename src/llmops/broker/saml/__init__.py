"""SAML 2.0 service provider, pure: no database, no web, no clock, no network."""
