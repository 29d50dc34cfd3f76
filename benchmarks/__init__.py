"""What qwenroute costs, beside what others cost: `make bench`."""
