"""Plan and upgrade."""
