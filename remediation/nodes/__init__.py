"""What nodes are asked by scripts and what their tools answer: texts and parsers. Pure."""
