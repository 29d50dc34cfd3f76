"""One file per idea. Each has `CODES`, what its codes mean, and `check`, which finds them in a subject."""
