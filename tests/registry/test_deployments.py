"""Cards and an endpoint become the flat facts that gates read."""

from __future__ import annotations

from datetime import date

import pytest

from qwenroute.domain.capability import Deployment, Lifecycle, Modality, SystemMessage, Thinking
from qwenroute.domain.endpoint import Endpoint, Served
from qwenroute.domain.price import Price, Tier, Usage
from qwenroute.errors import ConfigurationError
from qwenroute.registry import Registry

THEN = date(2025, 6, 1)
NOW = date(2026, 11, 24)


def on_dashscope(model: str, region: str = "cn-beijing", on: date = THEN, wire: str | None = None) -> Deployment:
    endpoint = Endpoint(
        name="here", provider="dashscope", region=region, served=(Served(model=model, wire_model=wire),)
    )
    (deployment,) = Registry.load().deployments(endpoint, on)
    return deployment


def on_own_server(model: str, on: date = NOW, **served: object) -> Deployment:
    endpoint = Endpoint(
        name="gpu",
        provider="openai_compatible",
        served=(Served(model=model, **served),),  # type: ignore[arg-type]
    )
    (deployment,) = Registry.load().deployments(endpoint, on)
    return deployment


def test_qwen_max_differs_by_region() -> None:
    """Its window is 131,072 tokens in Beijing and 32,768 in Singapore, and so are price and quotas."""
    beijing, singapore = on_dashscope("qwen-max"), on_dashscope("qwen-max", "intl-singapore")
    assert (beijing.context_tokens, beijing.max_input_tokens) == (131072, 129024)
    assert (singapore.context_tokens, singapore.max_input_tokens) == (32768, 30720)
    assert beijing.price is not None
    assert singapore.price is not None
    assert (beijing.price.currency, singapore.price.currency) == ("CNY", "USD")
    assert beijing.rate_limits.rpm is None
    assert singapore.rate_limits.rpm == 600


def test_an_alias_and_its_snapshots_have_limits_of_their_own() -> None:
    """A dated id goes on the wire as it is named, with its own quotas and lifecycle."""
    dated = on_dashscope("qwen-max", "intl-singapore", date(2026, 6, 1), wire="qwen-max-2025-01-25")
    assert (dated.id, dated.wire_model) == ("qwen-max@here", "qwen-max-2025-01-25")
    assert dated.rate_limits.rpm == 60
    assert dated.lifecycle is Lifecycle.RETIRED


def test_two_ids_of_one_model_stand_apart() -> None:
    """The first keeps the model's name, the second goes by its own; the same id twice is a mistake."""
    served = (Served(model="qwen-max"), Served(model="qwen-max-latest"))
    endpoint = Endpoint(name="cn", provider="dashscope", region="cn-beijing", served=served)
    ids = [d.id for d in Registry.load().deployments(endpoint, THEN)]
    assert ids == ["qwen-max@cn", "qwen-max-latest@cn"]
    twice = Endpoint(name="cn", provider="dashscope", region="cn-beijing", served=(served[0], served[0], served[0]))
    with pytest.raises(ConfigurationError, match="twice"):
        Registry.load().deployments(twice, THEN)


def test_the_shorter_prompt_counts_where_thinking_shortens_it() -> None:
    """A prompt that passes has to fit whether the model will think or not."""
    assert on_dashscope("qwen3.8-omni-flash", on=NOW).max_input_tokens == 983_616


def test_mathematics_is_short_and_step_by_step() -> None:
    """Math models have 4,096 tokens in all, 3,072 in and out, and want steps."""
    math = on_dashscope("qwen2.5-math-72b-instruct")
    assert (math.context_tokens, math.max_input_tokens, math.max_output_tokens) == (4096, 3072, 3072)
    assert math.step_by_step
    assert math.tools is False


def test_qwq_on_the_platform() -> None:
    """It streams only, thinks always, takes tool_choice auto or none, has no JSON mode."""
    qwq = on_dashscope("qwq-plus")
    assert qwq.stream_only
    assert qwq.thinking is Thinking.ALWAYS
    assert qwq.thinking_default_on
    assert qwq.tool_choices == {"auto", "none"}
    assert qwq.json_object is False
    assert qwq.system_message is SystemMessage.DISCOURAGED
    assert (qwq.max_output_tokens, qwq.max_thinking_tokens) == (8192, 32768)
    assert qwq.sampling == {}


def test_qwq_on_ones_own_server() -> None:
    """There it need not stream, its window is the server's, and the vendor's sampling is sent."""
    qwq = on_own_server("qwq-32b", wire_model="qwq", context_tokens=65536)
    assert (qwq.id, qwq.wire_model, qwq.region) == ("qwq-32b@gpu", "qwq", None)
    assert not qwq.stream_only
    assert (qwq.context_tokens, qwq.max_input_tokens) == (65536, None)
    assert qwq.sampling["temperature"] == 0.6
    assert qwq.sampling["top_p"] == 0.95
    assert qwq.tools is True
    assert qwq.json_object is None
    assert qwq.price is None


def test_weights_of_7b_and_up_have_the_default_window_without_yarn() -> None:
    """Self-hosted, 32,768 tokens unless the operator says that the server was started with more."""
    assert on_own_server("qwen2.5-7b-instruct").context_tokens == 32768
    assert on_own_server("qwen2.5-7b-instruct", context_tokens=131072).context_tokens == 131072
    assert on_own_server("qwen2.5-math-7b-instruct").context_tokens == 4096


def test_omni_speaks_on_the_platform_only() -> None:
    """VLLM serves the thinker: text out, no voices; DashScope speaks with four voices and only streams."""
    hosted, own = on_dashscope("qwen2.5-omni-7b"), on_own_server("qwen2.5-omni-7b")
    assert hosted.output == {Modality.TEXT, Modality.AUDIO}
    assert hosted.voices == ("Cherry", "Serena", "Ethan", "Chelsie")
    assert hosted.stream_only
    assert hosted.media.one_kind_per_message
    assert own.output == {Modality.TEXT}
    assert own.voices == ()
    assert own.input == hosted.input


def test_media_limits_arrive() -> None:
    """Numbers of the card become limits; the patch is 28 pixels here and 32 for Qwen3-VL."""
    limits = on_dashscope("qwen-vl-max").media
    assert limits.image_max_mb == 10
    assert limits.image_data_uri_max_mb == 10
    assert limits.image_min_side_px == 11
    assert limits.image_max_aspect == 200
    assert (limits.video_min_s, limits.video_max_s) == (2, 600)
    assert (limits.video_min_frames, limits.video_max_frames) == (4, 512)
    assert limits.image_max_tokens_high_resolution == 16384
    assert on_dashscope("qvq-72b-preview").media.single_turn
    assert on_dashscope("qwen3-vl-plus", "intl-singapore", NOW).media.image_patch_px == 32


def test_fill_in_the_middle_is_for_coders() -> None:
    """Coder weights fill in on the platform and on one's own server; qwen-coder-plus does not."""
    assert on_dashscope("qwen2.5-coder-7b-instruct").fim
    assert on_own_server("qwen2.5-coder-7b-instruct").fim
    assert on_dashscope("qwen-coder-turbo").fim
    assert not on_dashscope("qwen-coder-plus").fim


def test_tiers_and_thinking_rates() -> None:
    """The input picks one tier for the whole request; a hybrid that thought is billed at its own rate."""
    price = on_dashscope("qwen-plus", "intl-singapore", NOW).price
    assert price is not None
    small = Usage(prompt_tokens=256_000, completion_tokens=1_000_000)
    large = Usage(prompt_tokens=256_001, completion_tokens=1_000_000)
    assert price.cost(small).amount == pytest.approx(0.256 * 0.4 + 1.2)
    assert price.cost(small, thought=True).amount == pytest.approx(0.256 * 0.4 + 4)
    assert price.cost(large).amount == pytest.approx(0.256001 * 1.2 + 3.6)


def test_cache_and_batch_discounts() -> None:
    """A listed cache rate is taken; where none is, a hit costs a fifth; batch use costs half where it exists."""
    beijing = on_dashscope("qwen-max").price
    singapore = on_dashscope("qwen-max", "intl-singapore").price
    assert beijing is not None
    assert singapore is not None
    assert beijing.tiers[0].cache_read == 0.48
    assert singapore.tiers[0].cache_read == pytest.approx(0.32)
    assert singapore.batch_share == 0.5
    qwq = on_dashscope("qwq-plus", "intl-singapore").price
    assert qwq is not None
    assert (qwq.tiers[0].cache_read, qwq.batch_share) == (None, None)


def test_the_operators_price_wins() -> None:
    """What the operator states is taken, on the platform too."""
    price = Price(currency="EUR", tiers=(Tier(input=1.0, output=2.0),))
    assert on_own_server("qwen2.5-7b-instruct", price=price).price is price


def test_a_region_may_change_the_id() -> None:
    """Ids of the US mode end in -us."""
    endpoint = Endpoint(name="us", provider="dashscope", region="us-virginia")
    wire = {d.model: d.wire_model for d in Registry.load().deployments(endpoint, NOW)}
    assert wire["qwen-plus"] == "qwen-plus-us"


def test_a_third_party_host_is_known_by_the_name_that_litellm_uses() -> None:
    """Price, window and tools are the host's, and an ended host is retired."""
    served = Served(model="qwen2.5-72b-instruct", wire_model="deepinfra/Qwen/Qwen2.5-72B-Instruct")
    endpoint = Endpoint(name="other", provider="litellm", served=(served,))
    (host,) = Registry.load().deployments(endpoint, NOW)
    assert host.lifecycle is Lifecycle.ACTIVE
    assert host.context_tokens == 32768
    assert host.price is not None
    assert host.price.tiers[0].input == 0.36
    assert host.tools is True
    named = Endpoint(name="together", provider="litellm", served=(Served(model="qwq-32b"),))
    (ended,) = Registry.load().deployments(named, NOW)
    assert ended.wire_model == "together_ai/Qwen/QwQ-32B"
    assert ended.lifecycle is Lifecycle.RETIRED
    assert Registry.load().deployments(named, THEN)[0].lifecycle is Lifecycle.ACTIVE


def test_a_litellm_endpoint_has_to_say_which_host() -> None:
    """Without a served name, and no known host of the endpoint's name, the error lists the names that are known."""
    endpoint = Endpoint(name="other", provider="litellm", served=(Served(model="qwq-32b"),))
    with pytest.raises(ConfigurationError, match="nebius/Qwen/QwQ-32B"):
        Registry.load().deployments(endpoint, NOW)


def test_hosts_are_priced_models_of_the_registry() -> None:
    """Each of the 22 rows names a known open model and how litellm addresses it."""
    registry = Registry.load()
    assert len(registry.hosts) == 22
    assert len({host.litellm_model for host in registry.hosts}) == 22
    for host in registry.hosts:
        assert registry.cards[host.model].open_weights
        assert host.input_per_mtok > 0


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        (Endpoint(name="a", provider="dashscope"), "names no region"),
        (Endpoint(name="a", provider="openai_compatible"), "does not say which models"),
        (
            Endpoint(name="a", provider="openai_compatible", served=(Served(model="qwen2.5-8b-instruct"),)),
            "did you mean `qwen2.5-",
        ),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(endpoint: Endpoint, message: str) -> None:
    """No region, no list, an unknown model: one error that says what to do."""
    with pytest.raises(ConfigurationError, match=message):
        Registry.load().deployments(endpoint, NOW)


def test_what_is_listed_is_kept_though_it_is_gone() -> None:
    """A model that the operator names stays, with its lifecycle, so that a gate can say why it is passed over."""
    assert on_dashscope("qwen-max", on=NOW).lifecycle is Lifecycle.RETIRED
    assert on_dashscope("qwen3.8-max", on=NOW).lifecycle is Lifecycle.NOT_OFFERED
    assert on_own_server("qwen-max").lifecycle is Lifecycle.NOT_OFFERED


@pytest.mark.parametrize(
    ("region", "workspace", "url"),
    [
        ("cn-beijing", None, "https://dashscope.aliyuncs.com/compatible-mode/v1"),
        ("intl-singapore", None, "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        ("intl-singapore", "ws-1", "https://ws-1.ap-southeast-1.maas.aliyuncs.com/compatible-mode/v1"),
        ("eu-frankfurt", "ws-1", "https://ws-1.eu-central-1.maas.aliyuncs.com/compatible-mode/v1"),
    ],
)
def test_base_urls(region: str, workspace: str | None, url: str) -> None:
    """Each region has its host, and each workspace one of its own."""
    assert Registry.load().base_url(region, workspace) == url


def test_a_region_without_a_classic_host_needs_a_workspace() -> None:
    """Frankfurt is reached through a workspace only, and an unknown region gets the nearest name."""
    with pytest.raises(ConfigurationError, match="workspace"):
        Registry.load().base_url("eu-frankfurt")
    with pytest.raises(ConfigurationError, match="did you mean `cn-beijing`"):
        Registry.load().base_url("cn-bejing")


def test_us_ids_end_as_the_region_wants() -> None:
    """Listed by name or not, the id on the wire has the region's suffix."""
    endpoint = Endpoint(
        name="us", provider="dashscope", region="us-virginia", api_key="k", served=(Served(model="qwen-plus"),)
    )
    [deployment] = Registry.load().deployments(endpoint, date(2026, 11, 24))
    assert (deployment.model, deployment.wire_model) == ("qwen-plus", "qwen-plus-us")


def test_a_server_of_ones_own_continues_a_prefix() -> None:
    """What partial mode is on the platform, vLLM and Ollama do too; a thinking model cannot."""
    served = (Served(model="qwen2.5-7b-instruct"), Served(model="qwq-32b"))
    endpoint = Endpoint(name="own", provider="openai_compatible", base_url="http://127.0.0.1:1/v1", served=served)
    general, reasoning = Registry.load().deployments(endpoint, date(2026, 11, 24))
    assert general.partial is True
    assert reasoning.partial is not True
