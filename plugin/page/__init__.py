"""The HTML page of a preflight: its tables, pictures and style. Pure."""
