"""Have the answer spoken, and save it as a WAV file."""

import base64
import tempfile
from pathlib import Path

from qwenroute import Router

with Router() as router:
    answer = router.chat.completions.create(
        messages=[{"role": "user", "content": "Wish me a good morning."}],
        modalities=["text", "audio"],
        audio={"format": "wav"},  # the voice: the model's first, unless `voice` names one
    )

speech = answer.choices[0].message.audio
assert speech is not None
path = Path(tempfile.gettempdir()) / "good_morning.wav"
path.write_bytes(base64.b64decode(speech.data))
print(f"{speech.transcript}\nsaved as {path}, spoken by {answer.route.deployment}")
