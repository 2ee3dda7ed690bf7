"""Requests and replies as bytes, and the parsing all three protocols share.

The hot path is a GET with a plain query string: `parse_query` does no unquoting unless the
string holds a `%` or `+`.
"""

from __future__ import annotations

import json
import re
from typing import Any, cast
from urllib.parse import parse_qsl

from attrs import define, field, frozen

_MAX_FIELDS = 256
_TEXT = b"text/plain; charset=utf-8"
_JSON = b"application/json"


class Malformed(Exception):
    """The request's body cannot be parsed; it holds nothing of the body."""


@frozen
class Upload:
    """A file of a multipart body."""

    filename: str
    content: bytes = field(repr=False)


@frozen
class Form:
    """The fields of a request, from query and body, and its files by field name."""

    fields: dict[str, str] = field(repr=False)
    files: dict[str, Upload]


@define
class Request:
    """One HTTP request, read whole."""

    method: str
    path: str
    query: bytes = field(repr=False)
    content_type: str = ""
    body: bytes = field(default=b"", repr=False)

    def form(self) -> Form:
        """Parse query and body (form or multipart); the body's fields win.

        Raises `Malformed`.
        """
        fields = parse_query(self.query)
        if not self.body:
            return Form(fields, {})
        kind, _, parameters = self.content_type.partition(";")
        if kind.strip().lower() == "multipart/form-data":
            inner, files = parse_multipart(self.body, parameters)
            return Form({**fields, **inner}, files)
        return Form({**fields, **parse_query(self.body)}, {})

    def json(self) -> dict[str, Any]:
        """Parse the body as a JSON object.

        Raises `Malformed`.
        """
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            raise Malformed from None
        return as_object(value)


@define
class Reply:
    """One HTTP reply."""

    body: bytes = field(repr=False)
    status: int = 200
    content_type: bytes = _TEXT
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def text(cls, text: str, status: int = 200) -> Reply:
        """Return a plain-text reply."""
        return cls(text.encode("utf-8", "replace"), status)

    @classmethod
    def json(cls, value: object, status: int = 200) -> Reply:
        """Return a JSON reply."""
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return cls(body.encode("utf-8", "replace"), status, _JSON)


def as_object(value: object) -> dict[str, Any]:
    """Return a JSON value that is an object.

    Raises `Malformed` if it is something else.
    """
    if not isinstance(value, dict):
        raise Malformed
    return cast("dict[str, Any]", value)


def parse_query(raw: bytes) -> dict[str, str]:
    """Return the fields of a query string or form body; the last of a name wins.

    Raises `Malformed` when there are more than 256.
    """
    if not raw:
        return {}
    if raw.count(b"&") >= _MAX_FIELDS:
        raise Malformed
    text = raw.decode("utf-8", "replace")
    if "%" not in text and "+" not in text:
        pairs = [pair.partition("=") for pair in text.split("&")]
        return {name: value for name, _, value in pairs}
    return dict(parse_qsl(text, keep_blank_values=True))


_BOUNDARY = re.compile(r'boundary="?([^";,\s]{1,200})"?', re.IGNORECASE)
_NAME = re.compile(r';\s*name="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_FILENAME = re.compile(r';\s*filename="((?:[^"\\]|\\.)*)"', re.IGNORECASE)


def parse_multipart(body: bytes, parameters: str) -> tuple[dict[str, str], dict[str, Upload]]:
    """Return the text fields and files of a multipart body.

    Raises `Malformed`.
    """
    boundary = _BOUNDARY.search(parameters)
    if boundary is None:
        raise Malformed
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode(), _MAX_FIELDS + 2)
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise Malformed
    fields: dict[str, str] = {}
    files: dict[str, Upload] = {}
    for part in parts[1:-1]:
        _take_part(part, fields, files)
    return fields, files


def _take_part(part: bytes, fields: dict[str, str], files: dict[str, Upload]) -> None:
    head, separator, content = part.partition(b"\r\n\r\n")
    headers = head.decode("utf-8", "replace")
    name = _NAME.search(headers)
    if not separator or name is None:
        raise Malformed
    filename = _FILENAME.search(headers)
    if filename is None:
        fields[name[1]] = content.decode("utf-8", "replace")
    else:
        files[name[1]] = Upload(filename[1], content)
