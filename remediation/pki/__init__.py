"""Keys, certificates and who signs them: one certificate, chains, VMCA, the nodes' stores."""
