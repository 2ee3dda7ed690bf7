"""From the fields of a line to a task, and what is wrong with them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import unquote, urlsplit

import attrs
from attrs import frozen

from solvestream import (
    Bls,
    CloudflareChallenge,
    GeeTestV3,
    GeeTestV4,
    ImageToText,
    InvalidTask,
    Proxy,
    RawTask,
    RecaptchaV2,
    RecaptchaV3,
    Turnstile,
)
from solvestream.errors import shorten
from solvestream.tasks import Task

AnyTask: TypeAlias = Task[Any]

MAX_BYTES = 64 << 20
"""Bytes of a line or an image at most: more than any service takes."""

_KINDS: tuple[type[AnyTask], ...] = (
    *(ImageToText, RecaptchaV2, RecaptchaV3, Turnstile, CloudflareChallenge),
    *(GeeTestV3, GeeTestV4, Bls),
)
KINDS: Mapping[str, type[AnyTask]] = {one.kind: one for one in _KINDS} | {"raw": RawTask}
"""The tasks that a line may be, by its `kind`."""

_TRUTHS = ("truth", "expected")
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")
_MAGIC = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF")
_YES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class Place(dict[str, Any]):
    """Where a task came from: `line`, and `tag` and `path` if given. It is the task's tag.

    Attributes:
        truth: the right answer, if given. It is no item: a journal keeps tags, and answers only
            until they are taken.
    """

    truth: Any = None


class Wrong(ValueError):
    """What is wrong with a line."""


def build(fields: dict[str, Any], place: Place, options: Mapping[str, Any]) -> AnyTask:
    """Return the task of a line's fields.

    Args:
        fields: as they were read; used up.
        place: where it came from; gets what the line says of it.
        options: defaults of the fields of images, and the `deadline` of all.

    Raises `Wrong`.
    """
    if "tag" in fields:
        place["tag"] = fields.pop("tag")
    for name in _TRUTHS:
        place.truth = fields.pop(name, place.truth)
    kind = KINDS.get(name) if isinstance(name := fields.pop("kind", "image"), str) else None
    if kind is None:
        raise Wrong(f"kind={shorten(name, 30)} is none of {', '.join(KINDS)}")
    if kind is ImageToText:
        fields = {**options, **fields}
        fields["image"] = _image(fields, place)
    elif (deadline := options.get("deadline")) is not None:
        fields.setdefault("deadline", deadline)
    known = _FIELDS[kind.kind if kind is not RawTask else "raw"]
    if unknown := [shorten(name, 30) for name in fields if name not in known]:
        raise Wrong(f"{kind.kind} has no field {', '.join(unknown)}")
    if missing := [name for name, one in known.items() if one.needed and name not in fields]:
        raise Wrong(f"{kind.kind} needs {', '.join(missing)}")
    values = {name: known[name].read(value) for name, value in fields.items()}
    return kind(**values, tag=place)


@frozen
class _Field:
    """A field of a task, and how to read it.

    Attributes:
        type: its annotation.
        needed: it has no default.
    """

    name: str
    type: str
    needed: bool

    def read(self, value: Any) -> Any:
        """Return the value as the task takes it; text from CSV is read by its type."""
        if value is None:
            return None
        match self.name:
            case "image":
                return value
            case "proxy":
                return _proxy(value)
            case "images":
                return tuple(_bytes(one) for one in _json(self.name, value, list))
            case "fields":
                return _json(self.name, value, dict)
            case _:
                return self._plain(value)

    def _plain(self, value: Any) -> Any:
        wanted = self.type.partition(" |")[0]
        if wanted == "bool":
            found = _YES.get(value.lower()) if isinstance(value, str) else value
            if not isinstance(found, bool):
                raise self._wrong(value, "give true or false")
            return found
        if wanted in {"int", "float"} and not isinstance(value, bool):
            try:
                return int(value) if wanted == "int" and isinstance(value, str) else _real(value)
            except (TypeError, ValueError):
                raise self._wrong(value, "give a number") from None
        if wanted == "str" and isinstance(value, str):
            return value
        raise self._wrong(value, "give text" if wanted == "str" else "give a number")

    def _wrong(self, value: Any, fix: str) -> Wrong:
        return Wrong(f"{self.name}={shorten(value, 30)}: {fix}")


def _fields(kind: type[AnyTask]) -> dict[str, _Field]:
    return {
        one.name: _Field(one.name, str(one.type), one.default is attrs.NOTHING)
        for one in attrs.fields(cast("Any", kind))
        if one.init and one.name not in {"tag", "kind"}
    }


_FIELDS = {name: _fields(kind) for name, kind in KINDS.items()}
NAMES = {"kind", "tag", "path", *_TRUTHS}.union(*_FIELDS.values())
"""All names that a line may use."""


def _real(value: Any) -> float:
    return value if isinstance(value, int | float) else float(value)


def _image(fields: dict[str, Any], place: Place) -> Path | str:
    """Return the image of a line, and note its path."""
    image, path = fields.pop("image", None), fields.pop("path", None)
    if path is None and image is None:
        raise Wrong("image needs image or path")
    if not isinstance(given := image if path is None else path, str):
        raise Wrong("image: give a path, base64 or a data: URI as text")
    if path is None and _is_base64(given):
        return given
    place["path"] = given
    return Path(given)


def _is_base64(text: str) -> bool:
    if text[:5].lower() == "data:":
        return True
    if not _BASE64.fullmatch(text):
        return False
    head = base64.b64decode("".join(text[:64].split())[:16].ljust(16, "A"))
    return head.startswith(_MAGIC)


def _bytes(value: Any) -> bytes:
    """Return the bytes of one of several images."""
    image = _image({"image": value}, Place())
    try:
        return ImageToText(image).load(MAX_BYTES)
    except InvalidTask as error:
        raise Wrong(str(error)) from None


def _proxy(value: Any) -> Proxy:
    """Read a proxy; the message shows none of it, as it may hold a password."""
    fix = "proxy: give TYPE://USER:PASSWORD@HOST:PORT, or an object of type, host, port"
    try:
        if isinstance(value, str) and not value.startswith("{"):
            parts = urlsplit(value)
            user, word = (
                None if one is None else unquote(one) for one in (parts.username, parts.password)
            )
            return Proxy(parts.scheme, parts.hostname or "", parts.port or 0, user, word)
        return Proxy(**_json("proxy", value, dict))
    except (TypeError, ValueError):
        raise Wrong(fix) from None


def _json(name: str, value: Any, kind: type) -> Any:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, kind):
        raise Wrong(f"{name}: give a JSON {'list' if kind is list else 'object'}")
    return value
