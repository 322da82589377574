"""What an operator or vCenter touches: commands, configuration, reports."""
