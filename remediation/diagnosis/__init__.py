"""Why nobody can log in: evidence that is read, and the causes that it proves."""
