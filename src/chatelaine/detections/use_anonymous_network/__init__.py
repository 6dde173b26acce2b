"""Detection: use over Tor, a VPN, a proxy or, for the first time, a hoster."""
