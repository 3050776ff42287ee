"""The meter: means over any terms, codes, and what is not finite."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from glass_model.systems import Turn
from glass_model.training.meter import Meter

OPTIMIZER = torch.optim.SGD(nn.Linear(1, 1).parameters())


def turn(loss: float, usage: list[float] | None = None, schedule: dict[str, float] | None = None, **terms: float) -> Turn:
    values = {name: torch.tensor(value) for name, value in terms.items()}
    return Turn(OPTIMIZER, torch.tensor(loss), values, None if usage is None else torch.tensor(usage), schedule or {})


def test_means_since_the_last_reading() -> None:
    """Each term over the steps that had it, whatever their names."""
    meter = Meter(torch.device("cpu"))
    meter.add([turn(1.0, a=2.0)])
    meter.add([turn(2.0, a=4.0, b=8.0)])
    meter.add([turn(6.0, a=6.0, b=9.0)])
    assert meter.read() == {"loss": 3.0, "a": 4.0, "b": 8.5}
    meter.add([turn(5.0, c=1.0)])
    assert meter.read() == {"loss": 5.0, "c": 1.0}
    assert meter.read() == {}


def test_several_turns() -> None:
    meter = Meter(torch.device("cpu"))
    meter.add([turn(1.0, a=1.0, schedule={"length": 2}), turn(3.0, b=2.0, schedule={"stage": 1})])
    meter.add([turn(2.0, a=1.0, schedule={"length": 3}), turn(4.0, b=2.0, schedule={"stage": 1})])
    assert meter.read() == {"a": 1.0, "b": 2.0, "loss": 1.5, "loss_2": 3.5, "length": 3, "stage": 1}


def test_no_turns_and_ambiguous_names() -> None:
    meter = Meter(torch.device("cpu"))
    meter.add([])
    assert meter.read() == {}
    with pytest.raises(ValueError, match="loss_2: these names are those of the losses"):
        meter.add([turn(1.0, loss_2=2.0)])


def test_codes() -> None:
    """Three codes of four are used, by 1/2, 1/4 and 1/4 of the transitions: 1.5 bits."""
    meter = Meter(torch.device("cpu"))
    meter.add([turn(0.0, usage=[1.0, 1.0, 0.0, 0.0])])
    meter.add([turn(0.0, usage=[1.0, 0.0, 1.0, 0.0])])
    metrics = meter.read()
    assert metrics["codes_used"] == 3 and metrics["code_entropy"] == pytest.approx(1.5)
    assert metrics["code_perplexity"] == pytest.approx(2 * 2**0.5)


def test_collapsed_codes() -> None:
    """A notice when one code of several has 99 % of the transitions, and again only after others had more."""
    notices: list[str] = []
    meter = Meter(torch.device("cpu"), notices.append)

    def read(*usage: list[float] | None) -> dict[str, float]:
        for one in usage:
            meter.add([turn(0.0, usage=one)])
        return meter.read()

    assert read([600.0, 7.0, 0.0], [33.0, 0.0, 0.0])["code_perplexity"] > 1.06 and not notices
    assert 1 < read([0.0, 8.0, 792.0], [0.0, 0.0, 800.0], None)["code_perplexity"] < 1.06
    (notice,) = notices
    assert notice.startswith("99.5% of the 1,600 transitions of the last 2 steps have code 2: the codes have collapsed")
    read([0.0, 0.0, 5.0])
    read(None)
    read([0.0, 5.0, 0.0])  # another one has everything
    assert len(notices) == 1
    read([1.0, 5.0, 0.0])
    read([4.0, 0.0, 0.0])
    assert len(notices) == 2 and notices[1].startswith("100.0% of the 4 transitions of the last 1 steps have code 0")


def test_warnings_are_told_once_where_their_term_is_above_0() -> None:
    """The mean is over the steps with the term, also of those without the warning; a warning holds until the next reading."""
    notices: list[str] = []
    meter = Meter(torch.device("cpu"), notices.append)

    def step(warning: str = "", **terms: float) -> None:
        meter.add([replace(turn(1.0, **terms), warnings={"lost": warning} if warning else {})])

    step(lost=1.0)
    meter.read()
    step("lost: {:.0%}", lost=0.0)
    meter.read()
    step("lost: {:.0%}")
    meter.read()
    assert not notices
    step("lost: {:.0%}", lost=0.5)
    step(lost=0.0)
    step()
    assert meter.read()["lost"] == 0.25 and notices == ["lost: 25%"]
    step("lost: {:.0%}", lost=0.5)
    meter.read()
    assert len(notices) == 1


def test_a_single_code_does_not_collapse() -> None:
    meter = Meter(torch.device("cpu"), pytest.fail)
    meter.add([turn(0.0, usage=[5.0])])
    assert meter.read()["codes_used"] == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_counted_and_left_out(bad: float) -> None:
    meter = Meter(torch.device("cpu"))
    meter.add([turn(1.0, a=bad, b=1.0)])
    meter.add([turn(bad, a=2.0, b=3.0)])
    assert meter.nonfinite_steps() == 1
    assert meter.read() == {"a": 2.0, "b": 2.0, "loss": 1.0, "nonfinite": {"a": 1, "loss": 1}}
    meter.add([turn(1.0), turn(bad)])  # any loss of a step
    assert meter.nonfinite_steps() == 2
    meter.add([turn(1.0), turn(1.0)])
    assert meter.nonfinite_steps() == 0
