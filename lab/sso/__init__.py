"""STS, vCenter and their HTTPS front of one lab node."""
