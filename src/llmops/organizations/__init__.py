"""Customers, their domains and their people."""
