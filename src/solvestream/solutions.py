"""The answers, one frozen value for each shape a service gives."""

from __future__ import annotations

from attrs import frozen
from typing_extensions import TypeVar


@frozen
class Solution:
    """Any answer."""


@frozen
class Text(Solution):
    """Text read from an image, exactly as the service sent it.

    Attributes:
        text: may be empty, be `0`, or hold spaces and any script.
        confidence: 0 to 1 where the service tells.
    """

    text: str
    confidence: float | None = None


@frozen
class Texts(Solution):
    """Several texts for several images of one task (CapSolver's `number` module; PROTOCOLS.md 3).

    Attributes:
        answers: one for each image, in their order.
    """

    answers: tuple[str, ...]


@frozen
class Token(Solution):
    """A token, good for a while (`Result.expires_at`).

    Attributes:
        token: opaque.
        user_agent: the one the service used, where the token is bound to it.
    """

    token: str
    user_agent: str | None = None


@frozen
class GeeTestV3Solution(Solution):
    """The three values of GeeTest v3 (PROTOCOLS.md 1).

    Attributes:
        challenge: the challenge as it was solved.
        validate: opaque.
        seccode: opaque; often `validate` followed by `|jordan`.
    """

    challenge: str
    validate: str
    seccode: str


@frozen
class GeeTestV4Solution(Solution):
    """The five values of GeeTest v4 (PROTOCOLS.md 1), each as the service sent it.

    Attributes:
        captcha_id: the page's public id.
        lot_number: opaque.
        pass_token: opaque.
        gen_time: seconds since the epoch, as text.
        captcha_output: opaque.
    """

    captcha_id: str
    lot_number: str
    pass_token: str
    gen_time: str
    captcha_output: str


@frozen
class Clearance(Solution):
    """Passage of a Cloudflare challenge (PROTOCOLS.md 1).

    Attributes:
        cf_clearance: the value of the cookie.
        user_agent: the one it is bound to, where the service tells.
    """

    cf_clearance: str
    user_agent: str | None = None


S_co = TypeVar("S_co", bound=Solution, covariant=True, default=Solution)
