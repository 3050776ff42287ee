"""The toy experiment, also in parts that run beside each other.

python -m glass_model.articulated.toy --out runs/toy                   # trains what is missing, then writes table and plot
python -m glass_model.articulated.toy --out runs/toy --shard 3/8       # an eighth of it, beside seven other processes
python -m glass_model.articulated.toy --out runs/toy --finished        # table and plot of the sizes that are complete
"""

from pathlib import Path

import click

from glass_model.articulated.toy.commands import complete
from glass_model.articulated.toy.config import NETWORKS, SIZES, ToyConfig, ToyModels, ToyTrain
from glass_model.articulated.toy.experiment import run
from glass_model.articulated.toy.results import finished, write
from wsprites.errors import ArgumentError, UserError


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for results, table, plot.")
@click.option("--network", "networks", multiple=True, type=click.Choice(NETWORKS), help="Networks to train.  [default: all]")
@click.option(
    "--size", "sizes", multiple=True, type=click.IntRange(2, 10**6), default=SIZES, show_default=True, help="Sizes of the training sets."
)
@click.option("--seeds", type=click.IntRange(1, 1000), default=5, show_default=True, help="Trainings of each network and size.")
@click.option("--epochs", type=click.IntRange(1), default=100, show_default=True, help="How often a network sees each image.")
@click.option("--shard", metavar="k/K", help="Train the k-th of K parts alone, 1 to K; the last call, without it, writes table and plot.")
@click.option("--finished", "only", is_flag=True, help="Train nothing; write table and plot of the sizes that have all networks and seeds.")
def main(networks: tuple[str, ...], sizes: tuple[int, ...], out: Path, seeds: int, epochs: int, shard: str | None, only: bool) -> None:
    """Train what has no result in the folder yet, and write table and plot. Can be interrupted, and called again."""
    try:
        config = ToyConfig(
            toy=ToyModels(tuple(dict.fromkeys(networks or NETWORKS)), tuple(dict.fromkeys(sizes)), seeds), train=ToyTrain(epochs=epochs)
        )
        if only:
            complete_sizes = finished(config, out)
            if not complete_sizes:
                raise ArgumentError("out", f"{out} has no size of training sets of which all networks and seeds are trained")
            click.echo(write(config, out, complete_sizes))
        elif shard:
            wanted, (part, _, parts) = config.jobs(), shard.partition("/")
            if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts) <= len(wanted)):
                raise click.UsageError(f"the shard {shard[:20]} is not k/K with 1 <= k <= K <= {len(wanted)}")
            run(out, wanted[int(part) - 1 :: int(parts)], config.train, click.echo)
        else:
            complete(config, out, click.echo)
    except UserError as error:
        raise click.UsageError(f"--{error}") from None


if __name__ == "__main__":
    main()
