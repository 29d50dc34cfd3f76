"""Eight mistakes that operators make, six of which another router (LiteLLM) takes without a word: all refused here."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwenroute.errors import DocumentError
from qwenroute.policy import load_policy
from tests.policy.broken.unreadable import GOOD

FAULTS = {
    "a typo in a deployment's key": (
        "    base_url:", "    base_ulr:",
        "5:5: QR101 unknown key `base_ulr`\n  help: did you mean `base_url`?",
    ),
    "a fallback to an unknown group": (
        "[general]", "[genral]",
        "14:18: QR201 unknown pool `genral`\n  help: did you mean `general`?",
    ),
    "a cycle of fallbacks": (
        "[general]", "[general, small]",
        "14:27: QR224 pool `small` falls back to itself\n  help: leave it out: it has been tried by then",
    ),
    "a negative limit": (
        "deadline_s: 60", "max_cost_usd: -0.5",
        "16:10: QR103 `limits.max_cost_usd` has to be above 0, not -0.5\n  help: leave the line out for none",
    ),
    "a tier to an unknown model": (
        "    models: [qwen2.5-7b-instruct]\n", "    models: [{model: qwen2.5-7b-instuct, rate_limits: {rpm: 60}}]\n",
        "6:14: QR205 unknown model `qwen2.5-7b-instuct`\n  help: did you mean `qwen2.5-7b-instruct`?",
    ),
    "a typo in a nested setting": (
        "limits: {deadline_s: 60}\n", "retries: {budget: {share: 0.1, flor_per_s: 1}}\n",
        "16:32: QR101 unknown key `flor_per_s`\n  help: did you mean `floor_per_s`?",
    ),
    "an unknown key at the top": (
        "limits: {deadline_s: 60}\n", "fallbacks: [{small: [general]}]\n",
        "16:1: QR101 unknown key `fallbacks`\n  help: did you mean `fall_back_on`?",
    ),
    "an unknown strategy": (
        "limits: {deadline_s: 60}\n", "choice: {by: least-busy}\n",
        "16:10: QR104 `choice.by` cannot be `least-busy`\n  help: did you mean `least_busy`?",
    ),
    "a variable as shells write it": (
        "    base_url:", "    workspace: ${W}\n    base_url:",
        "5:5: QR103 `workspace` has `${W}` in it, and nothing fills that in\n  help: write `workspace: {env: W}`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_refused_with_its_place_and_what_to_do(tmp_path: Path, name: str) -> None:
    """One message, at the word that is wrong, with the word that was meant or the way out."""
    right, wrong, said = FAULTS[name]
    assert GOOD.count(right) == 1
    path = tmp_path / "p.yaml"
    path.write_text(GOOD.replace(right, wrong), encoding="utf-8")
    with pytest.raises(DocumentError) as caught:
        load_policy(path)
    told = [str(d).removeprefix(f"{path}:") for d in caught.value.diagnostics]
    assert said in told
    assert all("help: " in one or "QR102" in one for one in told)
