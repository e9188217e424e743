"""The sign-in page: passwords, Enterprise SSO, and the way back."""
