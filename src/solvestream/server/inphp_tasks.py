"""What an `in.php` submit asks for: its fields, checked in the service's own order.

One entry per method (PROTOCOLS.md 1, table of tasks), the field's spellings included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePath

from .wire import Form
from .work import Kind, Reason, Refusal, Work, decode_base64, image_subject

_URL = re.compile(r"https?://[^\s/]+", re.IGNORECASE)
_PROXY = re.compile(
    r"((https?|socks[45])://)?[^\s@]+@[^\s:@]+:\d{1,5}"  # user:pass@host:port
    r"|((https?|socks[45])[:/]+)?[^\s:@/]+:\d{1,5}(:[^\s:]+:\S+)?",  # [type:]host:port[:user:pass]
    re.IGNORECASE,
)
_PROXY_TYPES = {"HTTP", "HTTPS", "SOCKS4", "SOCKS5"}
_EXTENSIONS = {"", ".png", ".jpg", ".jpeg", ".gif", ".bmp"}
_BOUNDS: Mapping[str, tuple[int, int]] = {
    "numeric": (0, 4),
    "regsense": (0, 1),
    "phrase": (0, 1),
    "calc": (0, 1),
    "language": (0, 2),
    "minLen": (0, 20),
    "maxLen": (0, 20),
    "min_len": (0, 20),
    "max_len": (0, 20),
}


def read_task(form: Form) -> Work | Refusal:
    """Return the work a submit asks for, or what is wrong with it."""
    fields = form.fields
    method = fields.get("method", "post" if "file" in form.files else "")
    if method in {"base64", "post"}:
        return _image(form, method)
    reader = _TOKENS.get(method)
    if reader is None:
        return Refusal(Reason.NOT_SUPPORTED if method else Reason.BAD_TASK)
    work = reader(fields)
    if isinstance(work, Refusal):
        return work
    return _check_common(fields) or work


def _image(form: Form, method: str) -> Work | Refusal:
    fields = form.fields
    options = _options(fields)
    if options is None or "proxy" in fields:
        return Refusal(Reason.BAD_TASK)
    image = _upload(form) if method == "post" else decode_base64(fields.get("body", ""))
    if isinstance(image, Refusal):
        return image
    low, high = (options.get(f"{end}Len", options.get(f"{end}_len", 0)) for end in ("min", "max"))
    if high and low > high:
        return Refusal(Reason.BAD_TASK)
    return Work(
        kind=Kind.IMAGE,
        subject=image_subject(image),
        images=(image,),
        numeric=options.get("numeric", 0),
        min_length=low,
        max_length=high,
        calc=options.get("calc") == 1,
    )


def _upload(form: Form) -> bytes | Refusal:
    upload = form.files.get("file")
    if upload is None:
        return Refusal(Reason.BROKEN_UPLOAD)
    extension = PurePath(upload.filename).suffix.lower()
    known = extension in _EXTENSIONS or upload.content.startswith(
        (b"\x89PNG", b"\xff\xd8", b"GIF8")
    )
    return upload.content if known else Refusal(Reason.WRONG_EXTENSION)


def _options(fields: Mapping[str, str]) -> dict[str, int] | None:
    """Return the whole-number image options; `None` if one is out of its range."""
    options: dict[str, int] = {}
    for name, (low, high) in _BOUNDS.items():
        text = fields.get(name)
        if text is None:
            continue
        if not (text.isascii() and text.isdigit() and len(text) <= 2 and low <= int(text) <= high):
            return None
        options[name] = int(text)
    return options


def _check_common(fields: Mapping[str, str]) -> Refusal | None:
    if not _URL.match(fields.get("pageurl", "")):
        return Refusal(Reason.PAGE_URL)
    proxy = fields.get("proxy")
    if proxy is None:
        return None
    typed = fields.get("proxytype", "HTTP").upper() in _PROXY_TYPES
    return None if typed and _PROXY.fullmatch(proxy) else Refusal(Reason.BAD_PROXY)


def _recaptcha(fields: Mapping[str, str]) -> Work | Refusal:
    site_key = fields.get("googlekey", "")
    if not site_key:
        return Refusal(Reason.SITE_KEY)
    if fields.get("enterprise") == "1":
        return Work(kind=Kind.RECAPTCHA_ENTERPRISE, subject=site_key)
    version_3 = fields.get("version") == "v3"
    return Work(kind=Kind.RECAPTCHA_V3 if version_3 else Kind.RECAPTCHA_V2, subject=site_key)


def _turnstile(fields: Mapping[str, str]) -> Work | Refusal:
    site_key = fields.get("sitekey", "")
    return Work(kind=Kind.TURNSTILE, subject=site_key) if site_key else Refusal(Reason.SITE_KEY)


def _cloudflare(fields: Mapping[str, str]) -> Work | Refusal:
    if not fields.get("sitekey") and not fields.get("proxy"):
        return Refusal(Reason.BAD_TASK)
    return Work(kind=Kind.CLOUDFLARE, subject=fields.get("sitekey") or fields.get("pageurl", ""))


def _geetest(fields: Mapping[str, str]) -> Work | Refusal:
    if fields.get("version") == "4":
        return _geetest_4({"captcha_id": fields.get("gt", "") or fields.get("captcha_id", "")})
    if not fields.get("gt") or not fields.get("challenge"):
        return Refusal(Reason.BAD_TASK)
    return Work(kind=Kind.GEETEST_V3, subject=fields["gt"])


def _geetest_4(fields: Mapping[str, str]) -> Work | Refusal:
    captcha_id = fields.get("captcha_id", "")
    return Work(kind=Kind.GEETEST_V4, subject=captcha_id) if captcha_id else _BAD_TASK


def _bls(fields: Mapping[str, str]) -> Work | Refusal:
    if fields.get("sitekey"):
        return Work(kind=Kind.BLS, subject=fields["sitekey"])
    cells = [fields.get(f"image_base64_{number}", "") for number in range(1, 10)]
    if not all(cells) or not fields.get("instructions"):
        return _BAD_TASK
    images = [decode_base64(cell) for cell in cells]
    whole = [image for image in images if isinstance(image, bytes)]
    if len(whole) < len(images):
        return Refusal(Reason.BROKEN_UPLOAD)
    return Work(kind=Kind.BLS, subject=image_subject(*whole))


_BAD_TASK = Refusal(Reason.BAD_TASK)
_TOKENS: Mapping[str, Callable[[Mapping[str, str]], Work | Refusal]] = {
    "userrecaptcha": _recaptcha,
    "turnstile": _turnstile,
    "cloudflare_challenge": _cloudflare,
    "geetest": _geetest,
    "geetest_v4": _geetest_4,
    "bls": _bls,
}
