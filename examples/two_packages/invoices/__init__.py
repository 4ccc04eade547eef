"""Invoices, in a database of their own."""
