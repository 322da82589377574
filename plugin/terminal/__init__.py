"""Runs and reports as lines of text for people at a terminal. Pure."""
