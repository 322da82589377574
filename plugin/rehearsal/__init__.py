"""The whole procedure against the embedded lab, typed as a person would, and judged there."""
