"""`python -m qwenroute.cli`."""

from qwenroute.cli import main

main()
