"""What is remembered between calls: how deployments are doing, and answers worth giving again."""

from qwenroute.state.account import limit_keys
from qwenroute.state.answer_cache import AnswerKeys, open_answer_cache, worth_keeping
from qwenroute.state.answer_chunks import as_chunks
from qwenroute.state.board import HealthBoard
from qwenroute.state.budgets import Budgets
from qwenroute.state.spending import MemoryLedger
from qwenroute.state.trials import Trials

__all__ = [
    "AnswerKeys",
    "Budgets",
    "HealthBoard",
    "MemoryLedger",
    "Trials",
    "as_chunks",
    "limit_keys",
    "open_answer_cache",
    "worth_keeping",
]
