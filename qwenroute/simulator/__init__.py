"""A local DashScope that behaves, and on demand misbehaves, like the real one."""

from qwenroute.simulator.answers import prompt_digest
from qwenroute.simulator.error_table import PlatformError, errors
from qwenroute.simulator.faults import (
    ConnectionReset,
    Cut,
    EmptyAnswer,
    ErrorEvent,
    ErrorIn200,
    Fault,
    MalformedChunk,
    SlowFirstToken,
    Stall,
    Status,
    named_faults,
)
from qwenroute.simulator.server import Arrival, Simulator

__all__ = [
    "Arrival",
    "ConnectionReset",
    "Cut",
    "EmptyAnswer",
    "ErrorEvent",
    "ErrorIn200",
    "Fault",
    "MalformedChunk",
    "PlatformError",
    "Simulator",
    "SlowFirstToken",
    "Stall",
    "Status",
    "errors",
    "named_faults",
    "prompt_digest",
]
