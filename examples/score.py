"""The score of a model, and what it means: `python score.py` scores lapo.pt, which lapo.py writes."""

import argparse

from lapo import make

from wsprites.bench import evaluate, scores
from wsprites.bench.direction import rule_of
from wsprites.bench.floors import strongest_floor
from wsprites.bench.table import headline_lines

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--clips", type=int, default=20, help="test clips: 500 for results to report")
parser.add_argument("--data", default="wsprites-factorial-v1")
arguments = parser.parse_args()

file = evaluate(make(), data=arguments.data, clips=arguments.clips, name="lapo")
print(headline_lines(file))
for name in ("local.matched_accuracy", "local.onset.matched_accuracy", "global.ami", "leakage.background.codes"):
    entry = file.scores.get(name)
    if entry is None:
        continue
    rule, floor = rule_of(name), strongest_floor(name, entry)
    print(f"\n{name}: {entry.value:.3f}, 95 % interval {entry.low:.3f} to {entry.high:.3f}")
    if rule.better == "neither":
        print("  A property: neither more nor less is what a better model has.")
    elif floor is None:
        print(f"  {rule.better.capitalize()} is better: {rule.reason}. It has no floor to compare it with.")
    elif entry.low > floor.value if rule.better == "more" else entry.high < floor.value:
        print(f"  Better than '{floor.name}', which does not see the answer and has {floor.value:.3f}: {rule.reason}.")
    else:
        print(f"  Not measurably better than '{floor.name}', which does not see the answer and has {floor.value:.3f}.")
scores.write("lapo.json", file)  # for wsprites bench --compare lapo.json, and wsprites bench --check lapo.json
