"""What a local service is told before it starts: keys, engine, latency, script, faults.

All values are frozen and travel to the service's own process as JSON (`Settings.to_json`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from attrs import field, frozen
from attrs.validators import ge, gt, in_, le

from .extras import need

DEFAULT_KEY = "solvestream-local-00000000000000"
"""The made-up key of the default account: 32 characters, as CaptchaAI's own client demands."""

_UNBOUNDED = 1_000_000


class Call(StrEnum):
    """What a request asks for, whatever the protocol: where a fault may strike."""

    SUBMIT = "submit"
    LOOK = "look"
    BALANCE = "balance"
    REPORT = "report"
    ANY = "any"


class FaultKind(StrEnum):
    """What goes wrong with a request."""

    ERROR = "error"
    """The protocol's own error reply with `Fault.code`."""
    NO_SLOT = "no_slot"
    """The protocol's own "all slots busy"."""
    ZERO_BALANCE = "zero_balance"
    BANNED = "banned"
    THROTTLED = "throttled"
    """HTTP 429 with `Retry-After: Fault.seconds`."""
    STATUS = "status"
    """HTTP `Fault.status` with a line of plain text."""
    HTML = "html"
    """An HTML page with HTTP `Fault.status`; 200 too."""
    CUT = "cut"
    """Half of the reply's body under its full Content-Length, then the connection closes."""
    DROP = "drop"
    """The connection is reset before the first byte of the reply."""
    DRIP = "drip"
    """The reply's body, byte by byte, over `Fault.seconds`."""
    HANG = "hang"
    """Nothing at all for `Fault.seconds`; then the reply."""


@frozen(kw_only=True)
class Fault:
    """One thing that goes wrong, at given positions or by chance (PROTOCOLS.md 1-3).

    Of several faults that strike one request the first in `Settings.faults` wins.
    """

    kind: FaultKind = field(converter=FaultKind)
    """What goes wrong; a string will do."""
    on: Call = field(default=Call.ANY, converter=Call)
    """Which requests it may strike; a string will do."""
    at: tuple[int, ...] = ()
    """Positions, from 0, among the requests of kind `on`; independent of `probability`."""
    probability: float = field(default=0.0, validator=[ge(0.0), le(1.0)])
    """0 to 1, drawn for each request of kind `on`."""
    code: str = ""
    """For `error`: the code as the service spells it, such as `ERROR_BAD_DUPLICATES`."""
    status: int = field(default=502, validator=[ge(200), le(599)])
    """For `status` and `html`: the HTTP status, 200 to 599."""
    seconds: float = field(default=5.0, validator=ge(0.0))
    """For `throttled`, `drip` and `hang`: how long, 0 or more."""
    accept: bool = False
    """Carry the request out, and charge for it, before the fault hides the reply.

    Cut, dropped, dripped and hanging replies are always carried out.
    """


@frozen(kw_only=True)
class Latency:
    """How long a simulated task takes.

    Attributes:
        shape: `fixed` (default): `low`; `uniform`: between `low` and `high`; `lognormal`: median
            `low`, 95 % under `high`.
        low: seconds, 0 or more; default 0.
        high: seconds, not less than `low`; default 0.
    """

    shape: Literal["fixed", "uniform", "lognormal"] = field(
        default="fixed", validator=in_(("fixed", "uniform", "lognormal"))
    )
    low: float = field(default=0.0, validator=ge(0.0))
    high: float = field(default=0.0, validator=ge(0.0))

    def __attrs_post_init__(self) -> None:
        """Refuse bounds the wrong way round."""
        if self.shape != "fixed" and not 0.0 <= self.low <= self.high:
            raise ValueError(f"latency: low={self.low} must not exceed high={self.high}")
        if self.shape == "lognormal" and self.low <= 0.0:
            raise ValueError("latency: a lognormal needs low > 0")

    @property
    def sigma(self) -> float:
        """The spread of the lognormal's logarithm."""
        return math.log(self.high / self.low) / 1.6449 if self.low else 0.0


@frozen(kw_only=True)
class Scripted:
    """What a simulated task comes to; a field left `None` is drawn as if there were no script."""

    answer: str | None = None
    """The text or token."""
    latency: float | None = None
    """Seconds from acceptance to the answer."""
    error: str | None = None
    """An error code, as the service spells it, instead of an answer."""


def _scripted(value: Scripted | str) -> Scripted:
    return value if isinstance(value, Scripted) else Scripted(answer=value)


def _script(value: Mapping[str, Scripted | str]) -> Mapping[str, Scripted]:
    return {subject: _scripted(entry) for subject, entry in value.items()}


@frozen(kw_only=True)
class Account:
    """One key at the service, good for all three protocols."""

    key: str = field(default=DEFAULT_KEY, repr=False)
    """A made-up key."""
    name: str = "local"
    """Stands for the key in the ledger, which never shows keys."""
    usd: float = field(default=1_000.0, validator=ge(0.0))
    """Balance of the in.php and createTask families, in USD."""
    solves: int = field(default=_UNBOUNDED, validator=ge(0))
    """Balance of Solvora."""
    slots: int = field(default=_UNBOUNDED, validator=ge(0))
    """Tasks in work at once; Solvora has no such limit (PROTOCOLS.md 2)."""


@frozen(kw_only=True)
class Settings:
    """Everything a local service is built from."""

    accounts: tuple[Account, ...] = (Account(),)
    """Keys it takes; any other is refused."""
    engine: Literal["simulate", "read"] = field(
        default="simulate", validator=in_(("simulate", "read"))
    )
    """`simulate` makes answers up; `read` reads images, and refuses tokens and sums."""
    seed: int = 0
    """Of all chance: the same seed and requests give the same answers and faults."""
    latency: Latency = Latency()
    """Of simulated tasks; by default they are ready at once."""
    failure_rate: float = field(default=0.0, validator=[ge(0.0), le(1.0)])
    """Share of simulated tasks that end as unsolvable."""
    script: Mapping[str, Scripted] = field(factory=dict[str, Scripted], converter=_script)
    """Simulated answers by subject: an image's SHA-256 (hex), a token task's site key,
    captcha id or gt, a kind (`image`, `turnstile`), or `*`."""
    faults: tuple[Fault, ...] = ()
    """What goes wrong; the first that strikes a request wins."""
    immediate: bool = True
    """Answer image tasks within `/createTask` (PROTOCOLS.md 3); else hand out ids to look at."""
    image_price: float = field(default=0.0005, validator=ge(0.0))
    """USD for one image; Solvora always takes one solve."""
    token_price: float = field(default=0.002, validator=ge(0.0))
    """USD for any other task."""
    max_image_bytes: int = field(default=102_400, validator=gt(0))
    """Larger images are refused."""
    max_image_pixels: int = field(default=4_000_000, validator=gt(0))
    """Width times height: a few bytes of PNG can claim gigabytes."""
    threads: int = field(default=2, validator=[ge(1), le(64)])
    """Images read at once (engine `read`)."""
    keep_alive: int = field(default=60, validator=ge(1))
    """Seconds before an idle connection is closed."""

    def to_json(self) -> str:
        """Return the settings as JSON. It holds the keys: a pipe is the place for it."""
        return json.dumps(need("cattrs").Converter().unstructure(self))

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Build settings from `to_json`'s text.

        Raises `ValueError`, which names each field that is wrong and shows no value.
        """
        value: Any = json.loads(text)
        cattrs = need("cattrs")
        converter = cattrs.Converter(forbid_extra_keys=True)
        try:
            settings: Settings = converter.structure(value, cls)
        except cattrs.BaseValidationError as error:
            reasons = "; ".join(cattrs.transform_error(error))
            raise ValueError(f"settings: {reasons}") from None
        return settings
