"""An operator's own facts: reported where they override, refused where they cannot be."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from textwrap import dedent

import pytest

from qwenroute.domain.endpoint import Endpoint, Served
from qwenroute.errors import DocumentError
from qwenroute.registry import Registry

NOW = date(2026, 11, 24)


@pytest.fixture
def overlay(tmp_path: Path):
    def write(text: str, name: str = "overlay.yaml") -> Path:
        path = tmp_path / name
        path.write_text(dedent(text).lstrip(), encoding="utf-8")
        return path

    return write


def refusal(path: Path) -> str:
    with pytest.raises(DocumentError) as caught:
        Registry.load([path])
    return str(caught.value).replace(str(path), "overlay.yaml")


def test_an_override_takes_effect_and_is_reported(overlay) -> None:
    """The new value is used, the old one and the place are kept, and the shipped registry is untouched."""
    path = overlay("""
        models:
          qwen-max:
            dashscope:
              regions:
                intl-singapore:
                  limits: {context_tokens: 65536}
                  rate_limits: {rpm: 1200}
        """)
    registry = Registry.load([path])
    endpoint = Endpoint(name="sg", provider="dashscope", region="intl-singapore", served=(Served(model="qwen-max"),))
    (deployment,) = registry.deployments(endpoint, NOW)
    assert deployment.context_tokens == 65536
    assert deployment.max_input_tokens == 30720
    assert (deployment.rate_limits.rpm, deployment.rate_limits.tpm) == (1200, 1_000_000)
    reported = {o.fact: (o.model, o.old, o.new, o.place) for o in registry.overrides}
    assert reported == {
        "dashscope.regions.intl-singapore.limits.context_tokens": ("qwen-max", 32768, 65536, f"{path}:6:20"),
        "dashscope.regions.intl-singapore.rate_limits.rpm": ("qwen-max", 600, 1200, f"{path}:7:25"),
    }
    assert "was 32768" in str(registry.overrides[0])
    assert Registry.load().overrides == ()


def test_an_overridden_fact_names_the_operators_file_as_its_source(overlay) -> None:
    """`facts` shows the file and what the fact was, and the neighbours keep their sources."""
    path = overlay("models: {qwen-max: {dashscope: {regions: {cn-beijing: {limits: {context_tokens: 65536}}}}}}\n")
    facts = {fact.path: fact for fact in Registry.load([path]).facts("qwen-max")}
    changed = facts["dashscope.regions.cn-beijing.limits.context_tokens"]
    assert changed.value == 65536
    assert changed.confidence == "operator"
    assert changed.sources[0].startswith(str(path))
    assert changed.note == "was 131072"
    assert facts["dashscope.regions.cn-beijing.limits.max_input_tokens"].confidence == "A"


def test_a_fact_that_is_the_same_is_no_override(overlay) -> None:
    """Stating what is shipped changes nothing and reports nothing."""
    path = overlay("models: {qwen-max: {name: Qwen-Max (Qwen2.5-Max)}}\n")
    assert Registry.load([path]).overrides == ()


def test_a_model_of_ones_own_starts_from_another(overlay) -> None:
    """`like` copies a card; the new model is found, reported, and served from one's own endpoint."""
    path = overlay("""
        models:
          acme-coder:
            like: qwen2.5-coder-7b-instruct
            name: ACME Coder
            weights: {hugging_face: acme/coder-7b}
            self_host: {context_default_tokens: 65536}
            quality_like: [{model: qwen2.5-coder-14b-instruct, basis: our own measurement}]
        """)
    registry = Registry.load([path])
    assert [str(o) for o in registry.overrides] == [f"acme-coder: added ({path}:2:3)"]
    found = registry.find("acme/coder-7b")
    assert found is not None
    assert found.card.id == "acme-coder"
    endpoint = Endpoint(name="gpu", provider="openai_compatible", served=(Served(model="acme-coder"),))
    (deployment,) = registry.deployments(endpoint, NOW)
    assert deployment.context_tokens == 65536
    assert deployment.fim
    original = registry.find("Qwen/Qwen2.5-Coder-7B-Instruct")
    assert original is not None
    assert original.card.id == "qwen2.5-coder-7b-instruct"


def test_a_model_may_be_added_without_a_pattern(overlay) -> None:
    """A card of its own needs a handful of facts; its source is the file."""
    path = overlay("""
        models:
          acme-chat:
            name: ACME Chat
            family: acme
            generation: '1'
            access: open_weights
            roles: [general]
            released: {day: 2026-01-01}
            terms: {licence: apache-2.0, commercial_use: allowed}
            modalities: {input: [text], output: [text]}
            features: {thinking: none, tools: true}
            self_host: {context_default_tokens: 32768, tools: true}
        """)
    registry = Registry.load([path])
    facts = registry.facts("acme-chat")
    assert {fact.sources for fact in facts} == {(f"{path}:2:3",)}
    assert registry.quality("acme-chat")["general/hard"].uncertainty == 0.3


def test_the_platform_can_be_overridden(overlay) -> None:
    """A region's host is a fact like any other."""
    path = overlay("platform: {regions: {intl-singapore: {base_url: 'https://proxy.example/v1'}}}\n")
    registry = Registry.load([path])
    assert registry.base_url("intl-singapore") == "https://proxy.example/v1"
    assert registry.overrides[0].fact == "regions.intl-singapore.base_url"


def test_a_region_can_be_added_to_a_model(overlay) -> None:
    """Where the operator knows more than the sources, a model is offered there."""
    path = overlay("""
        models:
          qwen3.8-max:
            dashscope:
              regions:
                cn-beijing:
                  price: {currency: CNY, tiers: [{input_per_mtok: 14, output_per_mtok: 42}]}
        """)
    endpoint = Endpoint(name="cn", provider="dashscope", region="cn-beijing")
    assert "qwen3.8-max" in {d.model for d in Registry.load([path]).deployments(endpoint, NOW)}


def test_later_files_win(overlay) -> None:
    """Overlays are laid one over the other, and each override names what it replaced."""
    first = overlay("models: {qwen-max: {name: First}}\n", "first.yaml")
    second = overlay("models: {qwen-max: {name: Second}}\n", "second.yaml")
    registry = Registry.load([first, second])
    assert registry.cards["qwen-max"].name == "Second"
    assert [o.old for o in registry.overrides] == ["Qwen-Max (Qwen2.5-Max)", "First"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "models:\n  qwen-max:\n    dashscope:\n      limits:\n        context_tokenz: 65536\n",
            "overlay.yaml:5:9: QR101 unknown key `context_tokenz`\n  help: did you mean `context_tokens`?",
        ),
        (
            "models:\n  qwen-max:\n    dashscope:\n      limits:\n        context_k: 32\n",
            "overlay.yaml:5:9: QR105 unknown key `context_k`\n  help: did you mean `context_tokens`? lengths are",
        ),
        (
            "models:\n  qwen-max:\n    dashscope:\n      limits: {context_tokens: 32}\n",
            "overlay.yaml:4:16: QR103 `models.qwen-max.dashscope.limits.context_tokens`: 32 looks like thousands",
        ),
        (
            "models:\n  qwen-max:\n    dashscope:\n      limits: {context_tokens: '32k'}\n",
            "overlay.yaml:4:16: QR103 `models.qwen-max.dashscope.limits.context_tokens` has to be",
        ),
        ("modles: {}\n", "overlay.yaml:1:1: QR101 unknown key `modles`\n  help: did you mean `models`?"),
        ("- qwen-max\n", "overlay.yaml:1:1: QR103 an overlay is a mapping with `models` and `platform`"),
        ("models: {qwen-max: retired}\n", "overlay.yaml:1:10: QR103 `qwen-max` has to be a mapping of facts"),
        (
            "models:\n  mine:\n    like: qwen2.5-8b-instruct\n",
            "overlay.yaml:3:5: QR303 unknown model `qwen2.5-8b-instruct`\n  help: did you mean",
        ),
        ("models: {qwen-max: {like: qwen-plus}}\n", "QR303 `qwen-max` is known; `like` is for a new model"),
        ("models: {mine: {name: Mine}}\n", "overlay.yaml:1:10: QR102 `family` is missing"),
        ("models: {qwen-max: {roles: [chat]}}\n", "`models.qwen-max.roles.0` cannot be `chat`\n  help: one of"),
        (
            "models: {qwen-max: {dashscope: {lifecycle: {offline_on: tomorrow}}}}\n",
            "QR103 `models.qwen-max.dashscope.lifecycle.offline_on` has to be a date such as",
        ),
        ("models: {qwen-max: {features: {tools: 'yes'}}}\n", "`models.qwen-max.features.tools` has to be true or"),
        ("models: {qwen-max: {dashscope: {limits: {doubts: {x: y}}}}}\n", "`doubts` names `x`"),
        ("models: {a: 1, a: 2}\n", "QR005 key `a` stands twice"),
        ("models: [\n", "QR002 not valid YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_with_its_place(overlay, text: str, message: str) -> None:
    """Unknown keys, wrong units, wrong kinds and unreadable files: place, code and help."""
    assert message in refusal(overlay(text))


@pytest.mark.parametrize(
    ("tier", "message"),
    [
        ("{input_per_mtok: 0.0000004, output_per_mtok: 1.2}", "4e-07 looks like a price per token; write it per 1"),
        ("{input_per_mtok: -1, output_per_mtok: 1.2}", "has to be at least 0"),
        ("{price_per_1k: 0.4, output_per_mtok: 1.2}", "prices are per 1,000,000 tokens: `input_per_mtok`"),
        ("{input: 0.4, output_per_mtok: 1.2}", "unknown key `input`"),
    ],
)  # fmt: skip
def test_a_price_in_another_unit_is_refused(overlay, tier: str, message: str) -> None:
    """Prices are per 1,000,000 tokens; anything that plainly is not says so."""
    prices = f"{{intl-singapore: {{price: {{currency: USD, tiers: [{tier}]}}}}}}"
    assert message in refusal(overlay(f"models: {{qwen-max: {{dashscope: {{regions: {prices}}}}}}}\n"))


def test_tiers_have_to_rise(overlay) -> None:
    """A price whose tiers fall, or end in the middle, cannot be."""
    tiers = (
        "[{input_per_mtok: 1, output_per_mtok: 1}, {up_to_input_tokens: 32000, input_per_mtok: 1, output_per_mtok: 1}]"
    )
    prices = f"{{intl-singapore: {{price: {{currency: USD, tiers: {tiers}}}}}}}"
    assert "have to rise" in refusal(overlay(f"models: {{qwen-max: {{dashscope: {{regions: {prices}}}}}}}\n"))


def test_all_mistakes_are_reported_at_once(overlay) -> None:
    """One run names every mistake of the file, in the order of its lines."""
    path = overlay("""
        models:
          qwen-max:
            naem: x
            dashscope: {limits: {context_tokens: 64}}
          mine: {name: Mine}
        """)
    with pytest.raises(DocumentError) as caught:
        Registry.load([path])
    lines = [found.line for found in caught.value.diagnostics]
    assert lines == sorted(lines)
    assert {2 + 1, 4} <= set(lines)
    assert 5 in lines


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """An unreadable overlay is one clear error."""
    assert "QR001 cannot read the file" in refusal(tmp_path / "nowhere.yaml")


def test_an_empty_overlay_changes_nothing(overlay) -> None:
    """A file with nothing in it is no mistake."""
    assert Registry.load([overlay("# nothing yet\n")]).overrides == ()
