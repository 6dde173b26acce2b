"""Detection: headers as a known resale proxy leaves them."""
