"""From an OpenAI-shaped body to signals; nothing here waits, and attachments stay unread."""

from qwenroute.analysis.request import read_request
from qwenroute.analysis.signals import analyse
from qwenroute.analysis.task import Classifier, Judgement
from qwenroute.analysis.view import View
from qwenroute.analysis.vocabulary import count_exactly

__all__ = ["Classifier", "Judgement", "View", "analyse", "count_exactly", "read_request"]
