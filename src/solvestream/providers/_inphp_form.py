"""The submit forms of the `in.php` family, one function a kind of task (PROTOCOLS.md 1)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Literal

from attrs import frozen

from solvestream.errors import InvalidTask
from solvestream.providers._account import check_text
from solvestream.tasks import (
    Bls,
    CloudflareChallenge,
    GeeTestV3,
    GeeTestV4,
    ImageToText,
    Proxy,
    RawTask,
    RecaptchaV2,
    RecaptchaV3,
    Task,
    Turnstile,
)

Form = dict[str, str]


@frozen(kw_only=True)
class Spelling:
    """How a service spells what others spell differently; never both at once.

    Attributes:
        lengths: of an image's shortest and longest answer: `minLen` and `maxLen`, or
            `min_len` and `max_len`.
        proxies: with the type in front, or the login.
        geetest_v4: `geetest` with `gt` and `version=4`, or a method of its own with
            `captcha_id`.
        bls: by site key, or as up to nine images with `instructions`.
    """

    lengths: Literal["minLen", "min_len"] = "minLen"
    proxies: Literal["type:host:port:user:pass", "user:pass@host:port"] = "type:host:port:user:pass"
    geetest_v4: Literal["geetest", "geetest_v4"] = "geetest"
    bls: Literal["sitekey", "images"] = "sitekey"


_Write = Callable[[Any, Spelling], Form]

REFERENCE = Spelling()
"""As the family's reference has it (PROTOCOLS.md 1)."""


def form(task: Task[Any], spelling: Spelling) -> Form:
    """Return a task's own fields. Raises `InvalidTask` for what cannot be spelled."""
    fields = _FORMS["raw" if isinstance(task, RawTask) else task.kind](task, spelling)
    proxy: Proxy | None = getattr(task, "proxy", None)
    if proxy is not None:
        fields |= _proxy(proxy, spelling)
    return {check_text("fields", name): check_text(name, value) for name, value in fields.items()}


def _given(**fields: object) -> Form:
    """Fields that are set; flags as `1`, or left out."""
    return {
        name: "1" if value is True else str(value)
        for name, value in fields.items()
        if value is not None and value is not False
    }


def _image(task: ImageToText, spelling: Spelling) -> Form:
    low, high = ("minLen", "maxLen") if spelling.lengths == "minLen" else ("min_len", "max_len")
    options: Mapping[str, object] = {
        "numeric": task.numeric,
        "regsense": task.case_sensitive,
        low: task.min_length,
        high: task.max_length,
        "phrase": task.phrase,
        "calc": task.calc,
        "language": task.language,
        "textinstructions": task.instructions,
    }
    return {
        "method": "post" if task.upload else "base64",
        **{
            name: str(int(value)) if isinstance(value, bool) else str(value)
            for name, value in options.items()
            if value is not None
        },
    }


def _recaptcha_v2(task: RecaptchaV2, _: Spelling) -> Form:
    return _given(
        method="userrecaptcha",
        googlekey=task.site_key,
        pageurl=task.page_url,
        invisible=task.invisible,
        enterprise=task.enterprise,
    )


def _recaptcha_v3(task: RecaptchaV3, _: Spelling) -> Form:
    return _given(
        method="userrecaptcha",
        googlekey=task.site_key,
        pageurl=task.page_url,
        version="v3",
        action=task.action,
        min_score=task.min_score,
        enterprise=task.enterprise,
    )


def _turnstile(task: Turnstile, _: Spelling) -> Form:
    return _given(method="turnstile", sitekey=task.site_key, pageurl=task.page_url)


def _cloudflare(task: CloudflareChallenge, _: Spelling) -> Form:
    return _given(
        method="cloudflare_challenge",
        sitekey=task.site_key,
        pageurl=task.page_url,
        userAgent=task.user_agent,
    )


def _geetest_v3(task: GeeTestV3, _: Spelling) -> Form:
    return _given(
        method="geetest",
        gt=task.gt,
        challenge=task.challenge,
        pageurl=task.page_url,
        api_server=task.api_server,
    )


def _geetest_v4(task: GeeTestV4, spelling: Spelling) -> Form:
    if spelling.geetest_v4 == "geetest_v4":
        return _given(method="geetest_v4", captcha_id=task.captcha_id, pageurl=task.page_url)
    return _given(method="geetest", gt=task.captcha_id, pageurl=task.page_url, version=4)


def _bls(task: Bls, spelling: Spelling) -> Form:
    if (spelling.bls == "images") != bool(task.images):
        fix = "give them with an account of bls='images', and only there"
        raise InvalidTask(field="images", value=f"{len(task.images)} images", fix=fix)
    if not task.images:
        return _given(
            method="bls",
            sitekey=task.site_key,
            pageurl=task.page_url,
            instructions=task.instructions,
            code=task.code,
        )
    images = {
        f"image_base64_{number}": base64.b64encode(image).decode()
        for number, image in enumerate(task.images, 1)
    }
    return _given(method="bls", instructions=task.instructions) | images


def _raw(task: RawTask, _: Spelling) -> Form:
    form: Form = {}
    for name, value in task.fields.items():
        text = _field(value)
        if text is None:
            fix = f"give field {name} as str, int, float or bool; this service takes forms"
            raise InvalidTask(field="fields", value=type(value).__name__, fix=fix)
        form[str(name)] = text
    return form


def _field(value: object) -> str | None:
    if isinstance(value, bool):
        return str(int(value))
    with suppress(ValueError):  # an int of more digits than Python prints
        return str(value) if isinstance(value, str | int | float) else None
    return None


def _proxy(proxy: Proxy, spelling: Spelling) -> Form:
    kind = proxy.type.upper()
    host = f"[{proxy.host}]" if ":" in proxy.host and "[" not in proxy.host else proxy.host
    address = f"{host}:{proxy.port}"
    login = None if proxy.username is None else f"{proxy.username}:{proxy.password}"
    if spelling.proxies == "user:pass@host:port":
        text = address if login is None else f"{login}@{address}"
    else:
        text = f"{kind}:{address}" if login is None else f"{kind}:{address}:{login}"
    return {"proxy": text, "proxytype": kind}


_FORMS: dict[str, _Write] = {
    "image": _image,
    "recaptcha_v2": _recaptcha_v2,
    "recaptcha_v3": _recaptcha_v3,
    "turnstile": _turnstile,
    "cloudflare_challenge": _cloudflare,
    "geetest_v3": _geetest_v3,
    "geetest_v4": _geetest_v4,
    "bls": _bls,
    "raw": _raw,
}
