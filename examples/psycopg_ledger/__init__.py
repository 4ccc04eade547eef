"""A ledger, synchronous."""
