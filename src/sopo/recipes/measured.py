"""What was measured of a model, into its card: the table, and as metadata for the hub."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from sopo.cards import CARD, MEASURED, set_parts, without_places
from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.evaluation.settings import ProtocolConfig
from sopo.folders import CHECKPOINTS, CONFIG_FILE
from sopo.recipes.build import load_generator
from sopo.recipes.own import place
from sopo.recipes.record import write_model_card
from sopo.reports.results import REAL, Table
from sopo.reports.tables import as_markdown

WITNESSES = (
    "Witnesses, measured on joints without the evaluator: rule_accuracy (rules), foot_skate, jitter, limb_speed,"
    " floor_depth."
)


def add_measured(
    folder: Path,
    row: str,
    table: Table,
    data: str | Path,
    evaluator: str | Path,
    sampling: Sampling,
    protocol: ProtocolConfig,
    split: str = "test",
) -> bool:
    """Put ``table``, in which the model of ``folder`` is ``row``, into its card; False where that is none of ours."""
    from huggingface_hub import EvalResult

    named = {name: "this model" if name == row else without_places(name) for name in table}
    shown = {named[name]: values for name, values in table.items()}
    base = next((name for name in shown if name not in (REAL, "this model")), None)
    where = f"{Path(data).name}, split {split}"
    judge = str(evaluator).replace(str(CHECKPOINTS), "shipped")
    how = (
        f"On {where}, by the evaluator {without_places(judge)}: mean and 95% interval of {protocol.runs} runs at seed"
        f" {protocol.seed}, sampled by {sampling.sampler} in {sampling.steps or 'all'} steps with guidance"
        f" {sampling.guidance:g}. In brackets the change against {base}, starred where the intervals are apart."
    )
    results = [
        EvalResult(
            task_type="text-to-motion",
            dataset_type="motion",
            dataset_name=where,
            metric_type=column,
            metric_value=round(stat.mean, 4),
        )
        for column, stat in table[row].items()
        if math.isfinite(stat.mean)
    ]
    text = f"{how if base else how.partition(' In brackets')[0]}\n\n{as_markdown(shown, base)}\n\n{WITNESSES}"
    return set_parts(folder, {MEASURED: text}, {"eval_results": results, "model_name": folder.name})


def folders_with_cards(sources: Iterable[str | Path]) -> dict[str, Path]:
    """Those of some generators that lie in a folder of the user's: name -> folder, each with a card.

    Raises UserError where none does.
    """
    folders: dict[str, Path] = {}
    for source in sources:
        named = place(source)
        folder = named.folder if named else Path(source)
        if folder and (folder / CONFIG_FILE).is_file():
            folders[str(source)] = folder
            if not (folder / CARD).exists():
                write_model_card(load_generator(source), folder)
    if not folders:
        raise UserError("--card: none of --generator is a folder of yours, whose model card could tell it")
    return folders
