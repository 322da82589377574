"""The steps of a run; each can be recognised in the world and taken back."""
