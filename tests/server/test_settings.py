from __future__ import annotations

import json

import pytest

from solvestream.server import DEFAULT_KEY, Account, Fault, Latency, Scripted, Settings


def test_settings_travel_as_json_unchanged():
    """What the parent says is what the child hears."""
    settings = Settings(
        accounts=(Account(key="a", slots=3), Account(key="b", usd=0.5)),
        latency=Latency(shape="lognormal", low=2.0, high=6.0),
        script={"image": "42", "*": Scripted(latency=1.0, error="ERROR_X")},
        faults=(Fault(kind="cut", on="look", at=(1, 2)), Fault(kind="html", probability=0.5)),
    )
    assert Settings.from_json(settings.to_json()) == settings


def test_a_word_that_is_no_setting_is_refused():
    """A misspelt setting is an error that names it, not a silence; values are not shown."""
    with pytest.raises(ValueError, match="latencies"):
        Settings.from_json(json.dumps({"latencies": 3}))
    with pytest.raises(ValueError, match=r"accounts") as caught:
        Settings.from_json(json.dumps({"accounts": [{"key": "hidden", "slots": "many"}]}))
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Latency(shape="uniform", low=6.0, high=2.0),
        lambda: Latency(shape="lognormal", low=0.0, high=2.0),
        lambda: Latency(shape="sine"),
        lambda: Latency(low=-1.0),
        lambda: Fault(kind="earthquake"),
        lambda: Fault(kind="cut", probability=2.0),
        lambda: Fault(kind="status", status=99),
        lambda: Settings(engine="guess"),
        lambda: Settings(failure_rate=-0.1),
        lambda: Settings(threads=0),
        lambda: Account(usd=-1.0),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    """Bounds are checked where the value is made."""
    with pytest.raises(ValueError, match=r".+"):
        wrong()


def test_no_repr_shows_a_key():
    """Neither an account's nor the settings' repr holds the key."""
    assert "hidden" not in repr(Settings(accounts=(Account(key="hidden"),)))


def test_the_default_key_has_the_length_captchaai_s_own_client_demands():
    """32 characters, no more and no less."""
    assert len(DEFAULT_KEY) == 32
