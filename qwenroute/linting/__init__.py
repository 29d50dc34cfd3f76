"""What is wrong with a policy that loads, as far as models, prices and a date can tell."""

from qwenroute.linting.lint import codes, lint

__all__ = ["codes", "lint"]
