"""Ways to reach a node: guest operations of its ESXi host, SSH, its management interface."""
