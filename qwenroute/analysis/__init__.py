"""From an OpenAI-shaped body to signals; nothing here waits, and attachments stay unread."""

from qwenroute.analysis.request import read_request

__all__ = ["read_request"]
