"""The SSO provider: it knows connections and logins, not LLM Ops."""
