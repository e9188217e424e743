"""The Admin Portal, for a customer's IT administrator."""
