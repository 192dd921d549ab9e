"""Whether a taste rises where a model was aligned with it, and what it costs: the protocol, and the mean of a reward.

Run: ``python benchmarks/taste.py --generator shipped/mdm runs/arms --reward wide_arms:wide_arms --data DIR``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sopo.diffusion.settings import Sampling
from sopo.evaluation.protocol import default_witnesses, evaluate
from sopo.evaluation.settings import ProtocolConfig
from sopo.recipes.build import load_dataset, load_generator, load_matcher, load_reward
from sopo.recipes.evaluate import rule_witness
from sopo.recipes.record import write_json
from sopo.recipes.sources import generator_source
from sopo.reports.tables import as_json, as_markdown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", nargs="+", required=True)
    parser.add_argument("--reward", required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--evaluator", default="shipped/evaluator")
    parser.add_argument("--guidance", type=float, default=2.5)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--samples", type=int, default=448)
    parser.add_argument("--out", type=Path, default=Path("runs/taste.json"))
    flags = parser.parse_args()
    dataset = load_dataset(flags.data, "test")
    reward = load_reward(flags.reward, dataset.skeleton.num_features)
    witnesses = default_witnesses(dataset.skeleton) | {
        "taste": lambda x, length, b: reward.score(x, length, b.captions)
    }
    if rules := rule_witness(dataset):
        witnesses["rule_accuracy"] = rules
    sampling = Sampling("ddim", 10, flags.guidance)
    sources = {name: generator_source(load_generator(name), sampling, 0) for name in flags.generator}
    config = ProtocolConfig(runs=flags.runs, samples=flags.samples)
    table = evaluate(sources, dataset, load_matcher(flags.evaluator), config, witnesses)
    write_json(flags.out, as_json(table))
    print(as_markdown(table, flags.generator[0]))


if __name__ == "__main__":
    main()
