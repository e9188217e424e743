"""What the tests need around the product: servers, identity providers, a mailbox, a browser."""
