"""What is wrong with a policy that loads, and what it comes to, as far as models, prices and a date can tell."""

from qwenroute.linting.lint import codes, lint
from qwenroute.linting.overview import Overview, overview
from qwenroute.linting.subject import Subject

__all__ = ["Overview", "Subject", "codes", "lint", "overview"]
