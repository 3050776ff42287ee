"""The score of a model, and what it means: `python score.py` scores lapo.pt, which lapo.py writes."""

import argparse

from lapo import make

from wsprites.bench import evaluate, scores
from wsprites.bench.floors import strongest_floor
from wsprites.bench.table import headline_lines

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--clips", type=int, default=50)
parser.add_argument("--data", default="wsprites-factorial-v1")
arguments = parser.parse_args()

file = evaluate(make(), data=arguments.data, clips=arguments.clips, name="lapo")
print(headline_lines(file))
for name in ("local.matched_accuracy", "local.onset.matched_accuracy", "global.ami", "leakage.background.codes"):
    entry = file.scores.get(name)
    if entry is None:
        continue
    floor = strongest_floor(name, entry)
    print(f"\n{name}: {entry.value:.3f}, 95 % interval {entry.low:.3f} to {entry.high:.3f}")
    if floor is None:
        print("  A property: neither more nor less is what a better model has.")
    elif entry.low > floor.value:
        print(f"  More than '{floor.name}' has without seeing the answer, {floor.value:.3f}: the codes tell something about the action.")
    else:
        print(f"  Not measurably more than '{floor.name}' has without seeing the answer, {floor.value:.3f}: no evidence of an action.")
scores.write("lapo.json", file)  # for wsprites bench --compare lapo.json, and wsprites bench --check lapo.json
