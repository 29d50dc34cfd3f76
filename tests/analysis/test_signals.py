"""From requests to signals: modalities, media headers, parameters, hints, language."""

from __future__ import annotations

import base64
import io
import random
import struct
import time
import wave

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qwenroute.analysis import analyse, read_request
from qwenroute.domain.capability import Modality
from qwenroute.domain.request import Kind, Request
from qwenroute.domain.signals import Difficulty, Signals, Task

A_WAV = "data:;base64,"


def signals(content: object = "hello", **params: object) -> Signals:
    return analyse(read_request({"messages": [{"role": "user", "content": content}], **params}))


def png(width: int, height: int, extra: int = 0) -> str:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 2, 0, 0, 0)
    return "data:image/png;base64," + base64.b64encode(head + bytes(extra)).decode()


def jpeg(width: int, height: int, metadata: int) -> str:
    """A JPEG's head whose size stands behind so many bytes of camera metadata."""
    parts = [b"\xff\xd8"]
    while metadata > 0:
        piece = min(metadata, 60_000)
        parts.append(b"\xff\xe1" + struct.pack(">H", piece + 2) + bytes(piece))
        metadata -= piece
    parts.append(b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9) + b"\xff\xd9")
    return "data:image/jpeg;base64," + base64.b64encode(b"".join(parts)).decode()


def wav(seconds: float, rate: int = 8000) -> str:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(bytes(int(seconds * rate) * 2))
    return base64.b64encode(file.getvalue()).decode()


def image(url: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": url}}


def sound(data: str) -> dict[str, object]:
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


@pytest.mark.parametrize("url", [png(640, 480), png(640, 480, 3_000_000), jpeg(640, 480, 0), jpeg(640, 480, 100_000)])
def test_an_inline_image_tells_its_size(url: str) -> None:
    """Width and height come from the header, also behind a camera's metadata; the length from the text."""
    (media,) = signals([image(url)]).media
    assert (media.kind, media.inline, media.width_px, media.height_px) == (Modality.IMAGE, True, 640, 480)
    assert media.encoded_bytes == len(url) - url.index(",") - 1


@pytest.mark.parametrize("url", ["https://example.com/a.png", "data:image/jpeg;base64,/9j/4AAQ", png(1, 1)[:38]])
def test_what_a_header_does_not_tell_is_unknown(url: str) -> None:
    """An address or a cut header leaves the size open."""
    (media,) = signals([image(url)]).media
    assert (media.width_px, media.height_px, media.seconds) == (None, None, None)


@pytest.mark.parametrize("front", ["", "data:;base64,", "data:audio/wav;base64,"])
def test_an_inline_wav_tells_its_length(front: str) -> None:
    """Seconds come from a WAV's header, in each of the three ways that a sound is sent."""
    (media,) = signals([sound(front + wav(2.5))]).media
    assert media.seconds == pytest.approx(2.5, abs=0.01)
    assert media.inline


def test_a_streamed_wav_tells_its_length_by_its_size() -> None:
    """A header that leaves the length open is filled in from the size."""
    data = bytearray(base64.b64decode(wav(2)))
    data[40:44] = b"\xff\xff\xff\xff"
    (media,) = signals([sound(base64.b64encode(data).decode())]).media
    assert media.seconds == pytest.approx(2, abs=0.01)


def test_other_sounds_have_the_length_that_the_caller_gives() -> None:
    """`media_seconds` stands where no header can be read."""
    part = sound("https://example.com/a.mp3")
    assert signals([part]).media[0].seconds is None
    assert signals([part], qwenroute={"media_seconds": 12}).media[0].seconds == 12.0


def test_frames_are_one_video() -> None:
    """A list of frames is a video with their number, the size of the first, and the time at its rate."""
    (media,) = signals([{"type": "video", "video": [png(64, 48)] * 6, "fps": 2}]).media
    assert (media.kind, media.frames, media.width_px, media.height_px, media.seconds) == (
        Modality.VIDEO, 6, 64, 48, 3.0,
    )  # fmt: skip
    assert media.inline


def test_media_know_their_place() -> None:
    """Each attachment says in which message and part it stands, over the whole conversation."""
    request = read_request(
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "a"}, image("https://example.com/a.png")]},
                {"role": "assistant", "content": "a cat"},
                {"role": "user", "content": [sound("https://example.com/a.wav")]},
            ]
        }
    )
    found = analyse(request)
    assert [(m.kind, m.message, m.part) for m in found.media] == [(Modality.IMAGE, 0, 1), (Modality.AUDIO, 2, 0)]
    assert found.input == {Modality.TEXT, Modality.IMAGE, Modality.AUDIO}
    assert (found.messages, found.user_turns) == (3, 2)


def test_modality_settles_the_task() -> None:
    """Sound is audio, a picture is visual; a video is audio only where its sound matters."""
    video = {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}}
    text = {"type": "text", "text": "Solve the equation x^2 + 3x - 4 = 0."}
    assert signals([sound(wav(0.1)), text]).task is Task.AUDIO
    assert signals([image(png(9, 9)), {"type": "text", "text": "What colour is the car?"}]).task is Task.VISION
    assert signals([image(png(9, 9)), text]).task is Task.VISION_REASONING
    assert signals([video, {"type": "text", "text": "What happens?"}]).task is Task.VISION
    assert signals([video, {"type": "text", "text": "What is said?"}], qwenroute={"sound": True}).task is Task.AUDIO


def test_speech_out() -> None:
    """Speech is asked for by `modalities`, or by `audio` alone; the voice is kept."""
    spoken = signals(modalities=["text", "audio"], audio={"voice": "Cherry", "format": "wav"})
    assert spoken.output == {Modality.TEXT, Modality.AUDIO}
    assert spoken.voice == "Cherry"
    assert signals(audio={"voice": "Cherry"}).output == {Modality.TEXT, Modality.AUDIO}
    assert signals(modalities=["text"], audio={"voice": "Cherry"}).output == {Modality.TEXT}


@pytest.mark.parametrize(
    ("params", "asked"),
    [
        ({}, None),
        ({"enable_thinking": True}, True),
        ({"enable_thinking": False}, False),
        ({"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}, False),
        ({"reasoning_effort": "high"}, True),
        ({"reasoning_effort": "none"}, False),
        ({"thinking_budget": 500}, True),
        ({"enable_thinking": True, "qwenroute": {"thinking": False}}, False),
    ],
)
def test_thinking_is_asked_for_in_several_ways(params: dict[str, object], asked: bool | None) -> None:
    """Every switch is read; the hint wins."""
    assert signals(**params).thinking is asked


def test_parameters_become_signals() -> None:
    """Tools, formats, limits and choices are read from the parameters."""
    tool = {"type": "function", "function": {"name": "f"}}
    found = signals(
        tools=[tool],
        tool_choice={"type": "function", "function": {"name": "f"}},
        response_format={"type": "json_schema", "json_schema": {"name": "x"}},
        max_tokens=5,
        max_completion_tokens=7,
        n=2,
        stream=True,
        vl_high_resolution_images=True,
    )
    assert (found.tools, found.tool_choice, found.response_format) == (True, "named", "json_schema")
    assert (found.max_output_tokens, found.choices, found.stream, found.high_resolution) == (7, 2, True, True)
    plain = signals()
    assert (plain.tools, plain.tool_choice, plain.response_format, plain.choices) == (False, None, "text", 1)


def test_hints_override_what_was_judged() -> None:
    """A task or difficulty that the caller names is taken as certain."""
    found = signals("hello", qwenroute={"task": "math", "difficulty": "hard"})
    assert (found.task, found.task_confidence) == (Task.MATH, 1.0)
    assert (found.difficulty, found.difficulty_confidence) == (Difficulty.HARD, 1.0)


def test_fill_in_the_middle() -> None:
    """A suffix, or Qwen's own marks in the prompt, ask for the middle; a bare prompt does not."""

    def completion(**body: object) -> Signals:
        return analyse(read_request(body, kind=Kind.COMPLETION))

    assert completion(prompt="def f():\n", suffix="    return x").fim
    assert completion(prompt="<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>").fim
    assert completion(prompt="def f():\n", suffix="    return x").task is Task.CODE
    assert not completion(prompt="Once upon a time").fim


def test_fences_and_latex() -> None:
    """Code fences are counted in pairs, and LaTeX is told from a price."""
    assert signals("```py\n1\n```\nand\n```\n2").code_fences == 2
    assert signals("What is $\\frac{1}{2} + x$?").latex
    assert not signals("It costs $5 or $6.").latex


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I write a letter to my landlord?", "en"),
        ("¿Cómo escribo una carta al dueño de mi piso?", "es"),
        ("Comment écrire une lettre à mon propriétaire ?", "fr"),
        ("Wie schreibe ich einen Brief an meinen Vermieter?", "de"),
        ("Come si scrive una lettera al padrone di casa?", "it"),
        ("Como é que eu escrevo uma carta ao senhorio?", "pt"),
        ("Ev sahibime nasıl bir mektup yazabilirim?", "tr"),
        ("Tôi viết thư cho chủ nhà như thế nào?", "vi"),
        ("怎样给房东写一封信？", "zh"),
        ("用 Python 写一个函数，返回列表中的最大值", "zh"),
        ("大家さんへの手紙の書き方を教えてください", "ja"),
        ("집주인에게 편지를 어떻게 쓰나요?", "ko"),
        ("Как написать письмо хозяину квартиры?", "ru"),
        ("Як написати листа власникові квартири? Дякую їм", "uk"),
        ("كيف أكتب رسالة إلى صاحب المنزل؟", "ar"),
        ("چگونه به صاحبخانه نامه بنویسم؟", "fa"),
        ("איך כותבים מכתב לבעל הבית?", "he"),
        ("मैं मकान मालिक को पत्र कैसे लिखूँ?", "hi"),
        ("ฉันจะเขียนจดหมายถึงเจ้าของบ้านอย่างไร", "th"),
        ("Πώς γράφω ένα γράμμα στον ιδιοκτήτη;", "el"),
        ("12 + 30 = ?", "und"),
        ("\u200b\u200b", "und"),
    ],
)
def test_language_is_told_by_script_and_short_words(text: str, language: str) -> None:
    """Languages are told apart, and nothing is claimed of a sum."""
    assert signals(text).language == language


def test_a_mute_last_turn_has_the_language_of_the_conversation() -> None:
    """Where the last turn has no words, the earlier ones decide."""
    turns = [("user", "Wie viel ist 12 mal 12?"), ("assistant", "Das sind 144."), ("user", "13?")]
    request = read_request({"messages": [{"role": role, "content": text} for role, text in turns]})
    assert analyse(request).language == "de"


@given(text=st.text(max_size=300))
@example("")
@example("\x00" * 50)
@example("\ud800 lone")
@example("\u202eabc\u2066\u200f")
@example("e" + "\u0301" * 200)
def test_any_text_can_be_analysed(text: str) -> None:
    """Analysis never raises, and its numbers make sense."""
    for request in (
        Request(messages=({"role": "user", "content": text},)),
        Request(kind=Kind.COMPLETION, prompt=text, suffix=text),
        Request(messages=({"role": "system", "content": text}, {"role": "user", "content": text + text})),
    ):
        found = analyse(request)
        assert 0 < found.task_confidence <= 1
        assert 0 < found.difficulty_confidence <= 1
        assert 0 <= found.text_tokens <= found.text_tokens_upper


@pytest.mark.parametrize(
    "unit",
    ["a", " ", "\n", "\t", "\x00", "\ud800", "\u200b", "\u202e", "字", "ก", "😀", "e\u0301", "(", "$", "\\", "`", "_a",
     "{\n", "a. ", "1", "1+", "x=", "A)\n", "\n(A)", "if (", "\n ", "<a", ";\n", '"', "\\frac", "a_", "is ", "0x"],
)  # fmt: skip
def test_a_megabyte_of_anything_is_bounded_work(unit: str) -> None:
    """A million characters cost no more than a few milliseconds, whatever they are."""
    text = unit * (1_000_000 // len(unit))
    request = read_request({"messages": [{"role": "user", "content": f"q{text}"}]})
    best = 1.0
    for _ in range(3):
        start = time.perf_counter()
        analyse(request)
        best = min(best, time.perf_counter() - start)
    assert best < 0.05


def test_equal_requests_give_equal_signals() -> None:
    """Nothing in the analysis depends on chance or on what came before."""
    chance = random.Random(1)
    text = "".join(chance.choices("abc xyz 123 字符\n.,", k=20_000))
    assert signals(text) == signals(text)
