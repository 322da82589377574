"""What a node shows to anybody over HTTPS and TLS: requests, pages, handshakes."""
