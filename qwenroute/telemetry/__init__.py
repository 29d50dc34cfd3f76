"""What observers are told; nothing here changes what is answered."""
