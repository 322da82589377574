"""Reads everything that preflight judges, in parallel, without changing anything."""
