"""`llmops demo`: the product, an identity provider and a mailbox on this machine, with example customers."""
