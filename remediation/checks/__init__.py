"""What preflight judges: rules, checks from the inventory to findings, the verdict. Pure."""
