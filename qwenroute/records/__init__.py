"""Records of requests: written beside the calls, read again to decide, to compare and to count."""
