"""ESXi hosts of the lab: SOAP on the wire, machines with disks behind it."""
