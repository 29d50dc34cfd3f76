"""Reading requests: what is taken, and one clear error for what is not."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenroute.analysis import analyse, read_request
from qwenroute.domain.capability import Role
from qwenroute.domain.request import Hints, Kind
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.errors import InvalidRequest

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}


def ask(content: object = "hello", **params: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": content}], **params}


def image(url: object) -> list[dict[str, object]]:
    return [{"type": "image_url", "image_url": {"url": url}}]


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


WRONG: list[tuple[str, object, str | None, str]] = [
    ("a list", [], None, "an object, not a list"),
    ("no messages", {}, "messages", "it is missing"),
    ("empty messages", {"messages": []}, "messages", "at least one user message"),
    ("messages as text", {"messages": "hi"}, "messages", "not a string"),
    ("message as text", {"messages": ["hi"]}, "messages[0]", "an object with `role` and `content`"),
    ("no role", {"messages": [{"content": "x"}]}, "messages[0].role", "known roles: system, user, assistant, tool"),
    ("unknown role", {"messages": [{"role": "usr", "content": "x"}]}, "messages[0].role", "did you mean `user`?"),
    ("odd role", {"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role", "not a list"),
    ("old role", {"messages": [{"role": "function", "content": "x"}]}, "messages[0].role", "tool_call_id"),
    ("no content", {"messages": [{"role": "user"}]}, "messages[0].content", "is missing"),
    ("content a number", ask(7), "messages[0].content", "a string or a list of content parts"),
    ("no parts", ask([]), "messages[0].content", "at least one content part"),
    ("empty text", ask(""), "messages[0].content", "nothing to answer"),
    ("blank text", ask(" \n"), "messages[0].content", "nothing to answer"),
    ("empty text part", ask([{"type": "text", "text": ""}]), "messages[0].content", "nothing to answer"),
    ("part as text", ask(["hi"]), "messages[0].content[0]", "an object with a `type`"),
    ("part without type", ask([{"text": "x"}]), "messages[0].content[0].type", "has no `type`"),
    ("unknown part", ask([{"type": "image", "image": "x"}]), "messages[0].content[0].type", "`image_url`"),
    ("text a number", ask([{"type": "text", "text": 1}]), "messages[0].content[0].text", "a string"),
    ("image url bare", ask([{"type": "image_url", "image_url": "https://x/y.png"}]),
     "messages[0].content[0].image_url", '{"url": …}'),
    ("image url missing", ask(image(None)), "messages[0].content[0].image_url.url", "it is missing"),
    ("image by path", ask(image("pictures/cat.png")), "messages[0].content[0].image_url.url", "data:image/…;base64,…"),
    ("not base64", ask(image("data:image/png;base64,%%%%")), "messages[0].content[0].image_url.url", "is not base64"),
    ("not encoded", ask(image("data:image/svg+xml,<svg/>")), "messages[0].content[0].image_url.url", "base64 data URI"),
    ("empty data", ask(image("data:image/png;base64,")), "messages[0].content[0].image_url.url", "is empty"),
    ("text as image, said so", ask(image("data:text/plain;base64," + encoded(b"hello"))),
     "messages[0].content[0].image_url.url", "`text/plain`, not an image"),
    ("text as image, in disguise", ask(image("data:image/png;base64," + encoded(b"id,name\n1,Ann\n"))),
     "messages[0].content[0].image_url.url", "holds text, not an image"),
    ("svg", ask(image("data:image/svg+xml;base64," + encoded(b"<svg></svg>"))),
     "messages[0].content[0].image_url.url", "holds text, not an image"),
    ("pdf as image", ask(image("data:image/png;base64," + encoded(b"%PDF-1.7\n\x00\x01\x02"))),
     "messages[0].content[0].image_url.url", "something else"),
    ("12 MB", ask(image("data:image/png;base64," + "iVBORw0KGgo" + "A" * 12_000_000)),
     "messages[0].content[0].image_url.url", "10,485,760"),
    ("video as text", ask([{"type": "video", "video": "https://x/y.mp4"}]),
     "messages[0].content[0].video", "video_url"),
    ("no frames", ask([{"type": "video", "video": []}]), "messages[0].content[0].video", "a list of addresses"),
    ("frame a number", ask([{"type": "video", "video": [1]}]), "messages[0].content[0].video[0]", "a frame"),
    ("fps", ask([{"type": "video", "video": ["https://x/1.png"], "fps": 0}]), "messages[0].content[0].fps", "above 0"),
    ("sound without data", ask([{"type": "input_audio", "input_audio": {}}]),
     "messages[0].content[0].input_audio.data", "it is missing"),
    ("sound by path", ask([{"type": "input_audio", "input_audio": {"data": "./a.wav", "format": "wav"}}]),
     "messages[0].content[0].input_audio.data", "base64, an address or a data URI"),
    ("sound format", ask([{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "waw"}}]),
     "messages[0].content[0].input_audio.format", "did you mean `wav`?"),
    ("12 MB of sound", ask([{"type": "input_audio", "input_audio": {"data": "A" * 12_000_000, "format": "wav"}}]),
     "messages[0].content[0].input_audio.data", "10,485,760"),
    ("image from the system", {"messages": [{"role": "system", "content": image(PIXEL)}]},
     "messages[0].content[0].type", "only stand in a user message"),
    ("ends with the assistant", {"messages": [{"role": "assistant", "content": "Once"}]},
     "messages[0]", '"partial": true'),
    ("ends with the system", {"messages": [{"role": "system", "content": "Be kind"}]},
     "messages[0]", "add a user message"),
    ("assistant says nothing", {"messages": [{"role": "assistant"}]},
     "messages[0].content", "`content` nor `tool_calls`"),
    ("tool without a call", {"messages": [{"role": "tool", "content": "1", "tool_call_id": "c1"}]},
     "messages[0].role", "no assistant message before it"),
    ("tool without id", {"messages": [{"role": "tool", "content": "1"}]}, "messages[0].tool_call_id", "it is missing"),
    ("model", ask(model=3), "model", "a role or a model"),
    ("stream", ask(stream="yes"), "stream", "true or false"),
    ("temperature", ask(temperature="hot"), "temperature", "a number; not `hot`"),
    ("not a number", ask(temperature=float("nan")), "temperature", "a number"),
    ("max_tokens", ask(max_tokens=0), "max_tokens", "at least 1"),
    ("max_tokens as a flag", ask(max_tokens=True), "max_tokens", "at least 1; not true"),
    ("n", ask(n=1.5), "n", "at least 1"),
    ("stop", ask(stop=[1]), "stop", "a list of strings"),
    ("thinking", ask(extra_body={"enable_thinking": "on"}), "enable_thinking", "true or false"),
    ("format", ask(response_format={"type": "json"}), "response_format.type", "known: text, json_object"),
    ("format a class", ask(response_format=dict), "response_format", "JSON schema"),
    ("schema", ask(response_format={"type": "json_schema"}), "response_format.json_schema", "`name` and `schema`"),
    ("tools empty", ask(tools=[]), "tools", "leave it out"),
    ("tool bare", ask(tools=[{"name": "f"}]), "tools[0].type", "wrap the declaration"),
    ("tool type", ask(tools=[{"type": "web"}]), "tools[0].type", "known: function"),
    ("tool name", ask(tools=[{"type": "function", "function": {}}]), "tools[0].function.name", "it is missing"),
    ("choice", ask(tools=[TOOL], tool_choice="any"), "tool_choice", "known: auto, none, required"),
    ("choice of nothing", ask(tool_choice="required"), "tool_choice", "no `tools`"),
    ("choice of another", ask(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "get_wether"}}),
     "tool_choice", "did you mean `get_weather`?"),
    ("modalities", ask(modalities=["text", "speech"]), "modalities", "known: text, audio"),
    ("old functions", ask(functions=[]), "functions", "write it as `tools`"),
    ("prompt in a chat", ask(prompt="x"), "prompt", "`completions.create`"),
    ("hints", ask(qwenroute="top"), "qwenroute", "a mapping of hints"),
    ("hint", ask(qwenroute={"rol": "coder"}), "qwenroute.rol", "did you mean `role`?"),
    ("hinted role", ask(qwenroute={"role": "codr"}), "qwenroute.role", "did you mean `coder`?"),
    ("hinted task", ask(qwenroute={"task": "poetry"}), "qwenroute.task", "known: math, code"),
    ("hinted difficulty", ask(qwenroute={"difficulty": 3}), "qwenroute.difficulty", "known: easy, medium, hard"),
    ("hinted quality", ask(extra_body={"qwenroute": {"quality": "best"}}), "qwenroute.quality", "known: top"),
    ("hinted deadline", ask(qwenroute={"deadline_s": -1}), "qwenroute.deadline_s", "above 0, not `-1`"),
    ("hinted cost", ask(qwenroute={"max_cost_usd": True}), "qwenroute.max_cost_usd", "above 0, not true"),
    ("hinted tags", ask(qwenroute={"tags": "a"}), "qwenroute.tags", "a list of strings"),
    ("extra body", ask(extra_body=[1]), "extra_body", "an object"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param", "says"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_wrong_request_is_refused_with_its_place_and_what_to_do(body: Any, param: str | None, says: str) -> None:
    """Each mistake gives one error that names the field and helps."""
    with pytest.raises(InvalidRequest) as caught:
        read_request(body)
    assert caught.value.param == param
    assert says in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": "a", "suffix": 1}, "suffix"),
        ({"prompt": "a", "messages": []}, "messages"),
    ],
)
def test_a_wrong_completion_is_refused(body: dict[str, object], param: str) -> None:
    """Completions take one prompt, and nothing of a chat."""
    with pytest.raises(InvalidRequest) as caught:
        read_request(body, kind=Kind.COMPLETION)
    assert caught.value.param == param


def test_hints_are_taken_out_from_both_places() -> None:
    """Hints come from `qwenroute` and `extra_body`; the nearer place wins, and none goes on the wire."""
    request = read_request(
        ask(
            qwenroute={"role": "coder", "tags": ["a"], "deadline_s": 3, "tenant": None},
            extra_body={"qwenroute": {"role": "math", "task": "math", "difficulty": "hard"}, "top_k": 5},
        )
    )
    assert request.hints == Hints(
        role=Role.CODER, task=Task.MATH, difficulty=Difficulty.HARD, tags=("a",), deadline_s=3.0
    )
    assert dict(request.params) == {"top_k": 5}


def test_parameters_that_say_nothing_are_dropped() -> None:
    """None means that nothing was said; what was said arrives as it was."""
    request = read_request(ask(temperature=None, top_p=0.5, model="coding", stream=True))
    assert dict(request.params) == {"top_p": 0.5}
    assert (request.model, request.stream) == ("coding", True)


def test_an_answer_of_the_openai_package_can_be_sent_back() -> None:
    """Messages and tool calls of the package's own types become plain, without their empty fields."""
    from openai.types.chat import ChatCompletionMessage

    answer = ChatCompletionMessage.model_validate({"role": "assistant", "content": None, "tool_calls": [CALL]})
    result = {"role": "tool", "tool_call_id": "c1", "content": "12 °C"}
    whole = read_request({"messages": [{"role": "user", "content": "weather?"}, answer, result]})
    parts = read_request(
        {
            "messages": [
                {"role": "user", "content": "weather?"},
                {"role": "assistant", "content": None, "tool_calls": answer.tool_calls, "refusal": None},
                result,
            ]
        }
    )
    for request in (whole, parts):
        assert dict(request.messages[1]) == {"role": "assistant", "content": None, "tool_calls": [CALL]}


def test_a_plain_message_is_not_copied() -> None:
    """Messages and attachments stay the objects that the caller made."""
    body = ask(image(PIXEL))
    messages: Any = body["messages"]
    assert read_request(body).messages[0] is messages[0]


def test_developer_messages_become_system_messages() -> None:
    """The newer name of the role is taken, and goes on under the one that Qwen knows."""
    request = read_request(
        {"messages": [{"role": "developer", "content": "Be kind"}, {"role": "user", "content": "hi"}]}
    )
    assert request.messages[0] == {"role": "system", "content": "Be kind"}


@pytest.mark.parametrize(
    "content",
    [
        "0",
        image(PIXEL),
        image("https://example.com/cat.png"),
        image("oss://bucket/cat.png"),
        [{"type": "video", "video": [PIXEL, PIXEL, PIXEL, PIXEL], "fps": 2}],
        [{"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}],
        [{"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}],
        [{"type": "input_audio", "input_audio": {"data": "data:;base64,UklGRg==", "format": "mp3"}}],
        [{"type": "text", "text": ""}, *image(PIXEL)],
    ],
)
def test_content_of_every_kind_is_taken(content: object) -> None:
    """Texts, addresses and data URIs of each kind pass."""
    assert read_request(ask(content)).messages[0]["content"] == content


def test_a_prefix_of_an_answer_is_taken() -> None:
    """An assistant's last message that says `partial` is to be continued."""
    request = read_request(
        {"messages": [{"role": "user", "content": "a tale"}, {"role": "assistant", "content": "Once", "partial": True}]}
    )
    assert analyse(request).partial


SCRAPS = st.sampled_from(
    ["user", "assistant", "system", "tool", "text", "image_url", "video", "input_audio", "wav", "auto", "json_object",
     "data:image/png;base64,AAAA", PIXEL, "https://x/y.png", "function", "top", "coder", "\ud800", ""]
)  # fmt: skip
KEYS = st.sampled_from(
    ["messages", "role", "content", "type", "text", "image_url", "url", "video", "video_url", "input_audio", "data",
     "format", "tools", "function", "name", "tool_choice", "tool_calls", "tool_call_id", "qwenroute", "extra_body",
     "model", "stream", "n", "max_tokens", "temperature", "response_format", "modalities", "audio", "partial", "stop",
     "prompt", "suffix", "parameters", "arguments", "task", "difficulty", "fps", "json_schema", "schema"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | SCRAPS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=5),
    max_leaves=25,
)
PARTS = st.lists(st.dictionaries(KEYS, JSON, max_size=4) | JSON, max_size=3)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant", "system", "tool"]),
            "content": st.text(max_size=30) | PARTS | JSON,
        },
        optional={"tool_calls": JSON, "tool_call_id": JSON, "partial": st.booleans()},
    )
    | JSON,
    min_size=1,
    max_size=4,
)
BODIES = JSON | st.builds(
    lambda messages, rest: {"messages": messages, **rest}, MESSAGES, st.dictionaries(KEYS, JSON, max_size=4)
)


@given(body=BODIES, kind=st.sampled_from(Kind))
def test_any_body_is_read_or_refused(body: Any, kind: Kind) -> None:
    """Whatever JSON comes in, reading ends in a request that can be analysed or in InvalidRequest."""
    try:
        request = read_request(body, kind=kind)
    except InvalidRequest:
        return
    analyse(request)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("tempratur", "temperature"), ("max_token", "max_tokens"), ("respons_format", "response_format")],
)
def test_a_slip_in_a_parameter_is_told(name: str, meant: str) -> None:
    """A name that is nearly a known one is refused, not passed on in silence."""
    with pytest.raises(InvalidRequest, match=f"did you mean `{meant}`"):
        read_request({"messages": [{"role": "user", "content": "hi"}], name: 1})


@pytest.mark.parametrize("name", ["length_penalty", "stop_token_ids", "store", "license", "why", "guided_json"])
def test_a_hosts_own_parameter_goes_through(name: str) -> None:
    """Names that are like none that is known belong to some host."""
    body = {"messages": [{"role": "user", "content": "hi"}], name: "none"}
    assert read_request(body).params[name] == "none"
