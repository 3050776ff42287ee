"""Data files of recorded episodes: cut into clips of one length, with the episodes themselves, from which the clips can be replayed."""

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wsprites.file import Driver, create, empty_file
from wsprites.file.episodes import write_episodes
from wsprites.file.facts import RECORDED_VERSION
from wsprites.file.layout import write_labels
from wsprites.generate.order import Order
from wsprites.generate.workers import encode_scripts
from wsprites.world.episode import Episode, driven_clips, driven_sizes


def encode_recorded(order: Order, driver: Driver, episodes: Sequence[Episode]) -> bytes:
    """The bytes of a data file of recorded episodes; they depend on nothing but the arguments and the versions of the packages.

    Args:
        order: the world, whose `frames` are those of a clip, the seed of the clips that the episodes begin like, the number of clips, and
            what is stored.
        driver: who chose the actions.
        episodes: the episodes. What fills no clip is stored as actions only.
    """
    output = io.BytesIO()
    facts = replace(order.facts, format_version=RECORDED_VERSION, driver=driver)
    sizes = driven_sizes(order.spec, episodes)
    with empty_file(output) as h5:
        create(h5, facts, order.world.art, {split: np.zeros(count, np.int64) for split, count in sizes.items()})
        write_episodes(h5, order.spec, episodes)
        checksums = {split: np.zeros(count, np.uint64) for split, count in sizes.items()}
        for split, first_row, script_n in driven_clips(order.spec, episodes):
            write_labels(h5[split], first_row, script_n)
            for row, encoded in enumerate(encode_scripts(order, script_n) if order.pixels else (), start=first_row):
                for name, offset, data in encoded.chunks:
                    h5[split][name].id.write_direct_chunk((row, *offset), data)
                checksums[split][row] = encoded.checksum
        for split, checksum_n in checksums.items() if order.pixels else ():
            h5[split]["checksum"][...] = checksum_n
    return output.getvalue()
