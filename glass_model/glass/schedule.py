"""What changes in the course of training, as pure functions of the step (from 0)."""

from dataclasses import dataclass

from glass_model.glass.config import TrainConfig


@dataclass(frozen=True)
class Phase:
    """What holds at a step."""

    alone: bool
    """GMA is trained alone."""
    given: int
    """T_f: true foregrounds that the dynamics are fed."""
    length: int
    """T: frames of a sequence."""
    rate: float
    """Learning rate."""
    temperature: float
    """Of the Gumbel softmax."""


def phase(config: TrainConfig, step: int) -> Phase:
    """The schedules of the supplement."""
    after = step - config.alone
    return Phase(
        alone=after < 0,
        given=round(ramp(config.given_from, config.given_to, config.given_steps, after)),
        length=round(ramp(config.length_from, config.length_to, config.length_steps, step - config.length_begin)),
        rate=config.rate * (config.decay if step >= config.decay_step else 1.0),
        temperature=ramp(config.temperature_from, config.temperature_to, config.temperature_steps, after),
    )


def ramp(first: float, last: float, steps: int, at: int) -> float:
    """From the one to the other, linearly in so many steps from 0 on; 0 steps is at once."""
    if at < 0:
        return first
    return last if at >= steps else first + (last - first) * at / steps
