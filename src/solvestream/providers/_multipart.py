"""One multipart body: some text fields and one file (RFC 7578)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count

from solvestream.errors import UsageError

_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+").fullmatch
_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]+").fullmatch


def multipart(
    fields: Iterable[tuple[str, str]], name: str, data: bytes, media_type: str
) -> tuple[bytes, str]:
    """Return the body and its content type.

    Nothing of the caller's goes into a part's header but names and a media type of a safe
    grammar, and the file's name is always `image` (`faults.json` N16): `UsageError` otherwise.
    The boundary is one that occurs in none of the values, found by counting, so that equal
    input gives equal bytes.
    """
    parts = [(_header(key), value.encode()) for key, value in fields]
    if _MEDIA_TYPE(media_type) is None:
        raise UsageError("media_type: give type/subtype in lower case")
    parts.append((_header(name, media_type), data))
    boundary = _boundary([value for _, value in parts])
    pieces: list[bytes] = []
    for header, value in parts:
        pieces += (b"--", boundary, header, value, b"\r\n")
    body = b"".join((*pieces, b"--", boundary, b"--\r\n"))
    return body, f"multipart/form-data; boundary={boundary.decode()}"


def _header(name: str, media_type: str | None = None) -> bytes:
    if _NAME(name) is None:
        raise UsageError("multipart field: give a name of letters, digits and _ . [ ] -")
    rest = "" if media_type is None else f'; filename="image"\r\nContent-Type: {media_type}'
    return f'\r\nContent-Disposition: form-data; name="{name}"{rest}\r\n\r\n'.encode()


def _boundary(values: list[bytes]) -> bytes:
    for number in count():
        boundary = b"solvestream-%d" % number
        if not any(boundary in value for value in values):
            return boundary
    raise AssertionError  # pragma: no cover - there are more numbers than bytes
