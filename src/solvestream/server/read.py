"""The engine that reads images for real: rapidocr's recognition model, in a few threads.

One line of text goes straight to recognition, cropped to its ink (about 30 ms of CPU). Only an
image of several lines, or one that recognition is unsure of, pays for text detection. The
default pipeline of rapidocr is never used: it enlarges small images and costs 25 times as much.

Images come from strangers. Type, bytes, pixels and proportions are bounded before anything is
decoded, and whatever a decoder raises is an unreadable image.
"""

from __future__ import annotations

import asyncio
import io
import threading
import warnings
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

from .extras import need
from .settings import Settings
from .work import Answer, Kind, Outcome, Reason, Refusal, Work, check_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.uint8]

FORMATS = ("PNG", "JPEG", "GIF", "BMP")
_MAX_SIDE = 4_096
_MAX_RATIO = 60.0
"""Of the longer side to the shorter; recognition scales the height of a line to 48 pixels."""
_SURE = 0.8
"""Under this confidence a single line is tried with detection too."""
_CREDIBLE = 0.5
"""Under this confidence there is no answer."""


@frozen
class Reading:
    """Text read, and the confidence of its least sure line (0 to 1)."""

    text: str
    confidence: float


class Reader:
    """Reads images in `Settings.threads` threads; one model, loaded at the first image."""

    def __init__(self, settings: Settings) -> None:
        for module in ("rapidocr", "onnxruntime", "PIL", "numpy"):
            if find_spec(module) is None:
                need(module)
        self._settings = settings
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="solvestream-read")
        self._models: dict[bool, Callable[[Pixels], Any]] = {}
        self._loading = threading.Lock()

    def check(self, work: Work) -> Refusal | None:
        """Refuse tokens and sums, and images that are too big or none, from their header alone."""
        if work.kind is not Kind.IMAGE or work.calc:
            return Refusal(Reason.NOT_SUPPORTED)
        refusals = (self._check_image(image) for image in work.images)
        return next((refusal for refusal in refusals if refusal), None)

    def begin(self, work: Work, now: float) -> Awaitable[Outcome]:
        """Begin to read in a thread."""
        return asyncio.get_running_loop().run_in_executor(self._pool, self.read, work)

    def close(self) -> None:
        """Let the threads go; what is being read is finished first, what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def read(self, work: Work) -> Outcome:
        """Read all images of a task; blocks for about 30 ms an image."""
        readings = [self._read_image(image) for image in work.images]
        texts: list[str] = []
        for reading in readings:
            if reading is None:
                return Refusal(Reason.UNREADABLE)
            if reading.confidence < max(_CREDIBLE, work.score) or not fits(work, reading.text):
                return Refusal(Reason.UNSOLVABLE)
            texts.append(reading.text)
        confidence = min(reading.confidence for reading in readings if reading)
        return Answer(texts=tuple(texts), confidence=round(confidence, 4))

    def _check_image(self, image: bytes) -> Refusal | None:
        refusal = check_image(image, self._settings.max_image_bytes)
        if refusal is not None:
            return refusal
        size = image_size(image)
        if size is None:
            return Refusal(Reason.NOT_AN_IMAGE)
        pixels, longer, shorter = size[0] * size[1], max(size), min(size)
        too_big = pixels > self._settings.max_image_pixels or longer > _MAX_SIDE
        return Refusal(Reason.TOO_BIG) if too_big or longer > _MAX_RATIO * shorter else None

    def _read_image(self, image: bytes) -> Reading | None:
        """Return what an image says; `None` if it cannot be decoded."""
        pixels = decode(image)
        if pixels is None:
            return None
        line = single_line(pixels)
        best = Reading("", 0.0)
        if line is not None:
            best = _joined(self._model(detect=False)(line))
            if best.confidence >= _SURE:
                return best
        found = _joined(self._model(detect=True)(pixels))
        return max(best, found, key=lambda reading: reading.confidence)

    def _model(self, *, detect: bool) -> Callable[[Pixels], Any]:
        with self._loading:
            if detect not in self._models:
                self._models[detect] = _load(detect=detect)
            return self._models[detect]


def _load(*, detect: bool) -> Callable[[Pixels], Any]:
    """Load rapidocr, quietly; one thread an image, since images are what runs in parallel."""
    parameters: dict[str, Any] = {
        "Global.log_level": "critical",
        "Global.use_det": detect,
        "Global.use_cls": False,
        "Det.limit_type": "max",
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,
        "EngineConfig.onnxruntime.inter_op_num_threads": 1,
    }
    model: Callable[[Pixels], Any] = need("rapidocr").RapidOCR(params=parameters)
    return model


def _joined(result: Any) -> Reading:
    """Return rapidocr's texts as one: a space between words found in a line, else a line end."""
    texts: tuple[str, ...] = result.txts or ()
    if not texts:
        return Reading("", 0.0)
    boxes = getattr(result, "boxes", None)
    tops = [float(box[0][1]) for box in boxes] if boxes is not None else [0.0]
    heights = [float(box[3][1] - box[0][1]) for box in boxes] if boxes is not None else [1.0]
    text = texts[0]
    for i in range(1, len(texts)):
        same_line = abs(tops[i] - tops[i - 1]) < heights[i] / 2
        text += (" " if same_line else "\n") + texts[i]
    return Reading(text.strip(), min(float(score) for score in result.scores))


def fits(work: Work, text: str) -> bool:
    """Say whether a text is what the task asked for; it is never bent to fit.

    `numeric` 1 (digits) and 2 (letters) and the length bounds are held to, spaces aside
    (PROTOCOLS.md 1); the other options say nothing a reader could check.
    """
    bare = "".join(text.split())
    if not bare or (work.numeric == 1 and not bare.isdigit()):
        return False
    if work.numeric == 2 and not bare.isalpha():
        return False
    return len(bare) >= work.min_length and (not work.max_length or len(bare) <= work.max_length)


def image_size(image: bytes) -> tuple[int, int] | None:
    """Return width and height by the header; `None` if Pillow does not know the format."""
    from PIL import Image  # noqa: PLC0415 - an extra

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
                return opened.size
    except Image.DecompressionBombError:
        return _MAX_SIDE + 1, _MAX_SIDE + 1
    except Exception:  # noqa: BLE001 - Pillow's parsers raise anything on hostile bytes
        return None


def decode(image: bytes) -> Pixels | None:
    """Decode an image to BGR (as rapidocr wants it) on white, its first frame; `None` if it is damaged."""
    import numpy as np  # noqa: PLC0415 - an extra
    from PIL import Image  # noqa: PLC0415 - an extra

    try:
        with Image.open(io.BytesIO(image), formats=FORMATS) as opened:
            frame = opened.convert("RGBA")
    except Exception:  # noqa: BLE001 - Pillow's decoders raise anything on hostile bytes
        return None
    flat = Image.alpha_composite(Image.new("RGBA", frame.size, "white"), frame).convert("RGB")
    return np.ascontiguousarray(np.asarray(flat)[:, :, ::-1])


def single_line(pixels: Pixels) -> Pixels | None:
    """Return the crop around one line of text; `None` if there are several, or none.

    Rows with ink form bands. One tall band is a line (low ones are dots, accents, underlines).
    Lines whose letters touch are told apart by how little ink there is between them.
    """
    import numpy as np  # noqa: PLC0415 - an extra

    grey = pixels.mean(axis=2)
    contrast = np.abs(grey - np.median(grey))
    ink = (contrast > max(40.0, 0.4 * float(contrast.max()))).sum(axis=1)
    if not ink.any():
        return None
    heights = band_heights((ink > 0.1 * ink.max()).tolist())
    if sum(height > 0.4 * max(heights) for height in heights) != 1:
        return None
    rows = np.flatnonzero(ink)
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    flattest = pixels.shape[1] / _MAX_RATIO
    spare = max(1, round((flattest - (bottom - top)) / 2))
    return _frame(pixels[max(0, top - spare) : bottom + spare])


def band_heights(rows: list[bool]) -> list[int]:
    """Return the lengths of the runs of true rows."""
    marks = "".join("x" if row else " " for row in rows)
    return [len(run) for run in marks.split()]


def _frame(line: Pixels) -> Pixels:
    """Put a margin in the background's colour around a line: at an edge a point is a comma."""
    import numpy as np  # noqa: PLC0415 - an extra

    height, width = line.shape[:2]
    margin = max(4, height // 4)
    background = np.median(line, axis=(0, 1)).astype(np.uint8)
    framed = np.full((height + 2 * margin, width + 2 * margin, 3), background)
    framed[margin:-margin, margin:-margin] = line
    return framed
