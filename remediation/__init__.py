"""The repair of an SSO domain: what is there, what to do, and the record of doing it."""
