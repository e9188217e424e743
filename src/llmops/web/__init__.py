"""What every page and every API shares."""
