"""Which certificates of the nodes a run renews, and what follows from it. Pure."""
