"""What changes in the course of GLASS's training, as pure functions of the step (from 0)."""

from dataclasses import dataclass

from glass_model.glass.config import TrainConfig
from glass_model.training.config import ramp


@dataclass(frozen=True)
class Phase:
    """Values of the schedules at one step."""

    alone: bool
    """Whether only the global motion analysis is trained."""
    frozen: bool
    """Whether only the local motion analysis is trained."""
    given: int
    """T_f: true foregrounds that the dynamics get."""
    length: int
    """T: frames of a sequence that are used."""
    skip: int
    """Distance between them in the sequence."""
    rate: float
    """Learning rate."""
    temperature: float
    """Temperature of the Gumbel softmax."""
    hardening: float
    """How far the weight of BIN has gone from its first to its last value, 0 to 1."""


def phase(config: TrainConfig, step: int) -> Phase:
    """The schedules of the supplement at a step."""
    after = step - config.alone
    return Phase(
        alone=after < 0,
        frozen=step >= config.freeze,
        given=round(ramp(config.given_from, config.given_to, config.given_steps, after)),
        length=round(ramp(config.length_from, config.length_to, config.length_steps, step - config.length_begin)),
        skip=1 if after < 0 else config.local_skip,
        rate=config.rate_at(step)
        * min(1.0, *((end - step) / (config.cooldown or 1) for end in (config.freeze, config.steps) if step < end)),
        temperature=ramp(config.temperature_from, config.temperature_to, config.temperature_steps, after),
        hardening=ramp(0.0, 1.0, config.bin_steps, step - config.bin_begin),
    )
