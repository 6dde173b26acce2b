"""The data plane: sockets, TLS and HTTP on the caller's side."""
