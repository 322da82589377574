"""Offline snapshots of virtual machines, coordinated over several ESXi hosts."""
