"""Mining on every family: what is stored is what was drawn, a killed run repeats an unbroken one, training takes it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sopo.diffusion.settings import Sampling
from sopo.errors import UserError
from sopo.preference.candidates import Candidates, draw_candidates
from sopo.preference.settings import PreferenceConfig
from sopo.recipes import mine as recipe
from sopo.recipes.align import align
from sopo.recipes.batches import pair_batches
from sopo.recipes.build import load_dataset, load_generator
from sopo.recipes.mine import mine
from sopo.recipes.settings import MineConfig
from sopo.training.log import read_log
from sopo.training.settings import LoopConfig

FAMILIES = ("mdm", "mld", "momask", "flow")
CONFIG = MineConfig(K=3, captions=20, keep="all", sampling=Sampling("ddim", 2, 1.5), batch_size=6)
LOOP = LoopConfig(steps=2, batch_size=4, learning_rate=1e-3)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipe, "GROUP", 8)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_store_holds_what_was_drawn_and_the_crop_it_was_drawn_for(
    world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    drawn: list[tuple[tuple[str, ...], Candidates]] = []

    def noted(policy, reward, batch, *rest) -> Candidates:
        found = draw_candidates(policy, reward, batch, *rest)
        drawn.append((tuple(caption.text for caption in batch.captions), found))
        return found

    monkeypatch.setattr(recipe, "draw_candidates", noted)
    store = mine(world.data, world.generators[family], world.reward, tmp_path / "p.parquet", CONFIG)
    generator = load_generator(world.generators[family])
    assert len(store) == 20 and store.K == 3 and store.whole and (np.diff(store.scores, axis=1) <= 0).all()
    place = {}
    for captions, found in drawn:
        ranked, scores = found.ranked(), found.reward.sort(1, descending=True).values
        place |= {(text, *scores[i].tolist()): ranked[i] for i, text in enumerate(captions)}
    for row in range(len(store)):
        x = place[store.captions[row].text, *store.scores[row].tolist()]
        kept = generator.places(int(store.length[row]))
        assert torch.equal(store.samples(row, ranking=True), x[:, :kept])
        assert torch.equal(store.samples(row), x[[0, -1], :kept])
    dataset = load_dataset(world.data, "train", generator)
    batch = pair_batches(dataset, store, LOOP)(0)
    items = {item.key: item for item in dataset.items}
    rankings = store.rankings(generator, ranking=True)(batch)
    assert rankings.shape[:3] == (4, 3, generator.places(batch.motion.shape[1]))
    for i, key in enumerate(batch.keys):
        row = int(key)
        begin, frames = int(store.start[row]), int(store.length[row])
        real = items[store.keys[row]].features[begin : begin + frames]
        expected = dataset.normalizer.normalize(torch.from_numpy(real))
        torch.testing.assert_close(batch.motion[i, :frames], expected)
        assert batch.captions[i] in items[store.keys[row]].captions and int(batch.length[i]) == frames
        filled = generator.places(frames)
        assert torch.equal(rankings[i, :, :filled], store.samples(row, ranking=True))
        assert (rankings[i, :, filled:] == generator.padding).all()


def test_a_killed_run_goes_on_and_gives_the_same_bytes(world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, broken = tmp_path / "whole.parquet", tmp_path / "broken.parquet"
    mine(world.data, world.generators["mdm"], world.reward, whole, CONFIG)
    calls = 0

    def killed(*arguments) -> Candidates:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return draw_candidates(*arguments)

    monkeypatch.setattr(recipe, "draw_candidates", killed)
    with pytest.raises(KeyboardInterrupt):
        mine(world.data, world.generators["mdm"], world.reward, broken, CONFIG)
    assert not broken.exists() and len(list((tmp_path / "broken.parquet.parts").glob("*.parquet"))) == 1
    with pytest.raises(UserError, match="another seed"):
        mine(world.data, world.generators["mdm"], world.reward, broken, MineConfig(**{**vars(CONFIG), "seed": 1}))
    mine(world.data, world.generators["mdm"], world.reward, broken, CONFIG)
    assert broken.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.parquet", "whole.parquet"]
    calls = 100  # a finished file is not drawn again
    assert len(mine(world.data, world.generators["mdm"], world.reward, whole, CONFIG)) == 20
    with pytest.raises(UserError, match="another K"):
        mine(world.data, world.generators["mdm"], world.reward, whole, MineConfig(**{**vars(CONFIG), "K": 2}))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", ["dpo", "modipo", "dpo-ranked"])
def test_every_pair_method_trains_on_the_store(world, tmp_path: Path, family: str, method: str) -> None:
    generator, pairs = world.generators[family], tmp_path / "p.parquet"
    mine(world.data, generator, "physical", pairs, CONFIG)
    settings = PreferenceConfig(method, scale=5.0)
    align(world.data, generator, world.reward, tmp_path / "out", settings, LOOP, pairs)
    first, last = read_log(tmp_path / "out" / "run" / "log.jsonl")
    chance = np.log(2) if method != "dpo-ranked" else np.log(6)
    assert first["loss"] == pytest.approx(chance, abs=1e-5)
    assert last["loss"] != first["loss"]
    captions = sum(len(item.captions) for item in load_dataset(world.data, "train").items)
    assert first["budget"] == last["budget"] == pytest.approx(60 / captions)
    record = json.loads((tmp_path / "out" / "run" / "run.json").read_text())
    assert record["mined"]["reward"] == "1*physical" and record["rewards"]["best"]["q0.5"] > 0


def test_what_is_generated_on_the_way_is_counted(world, tmp_path: Path) -> None:
    settings = PreferenceConfig("sopo", K=2, rollout=Sampling("ddim", 1, 1.0))
    align(world.data, world.generators["mdm"], world.reward, tmp_path / "out", settings, LOOP)
    captions = sum(len(item.captions) for item in load_dataset(world.data, "train").items)
    budgets = [line["budget"] for line in read_log(tmp_path / "out" / "run" / "log.jsonl")]
    assert budgets == pytest.approx([8 / captions, 16 / captions])


def test_pairs_of_something_else_are_refused(world, tmp_path: Path) -> None:
    mdm, pairs, out = world.generators["mdm"], tmp_path / "p.parquet", tmp_path / "out"
    pair_only = MineConfig(K=3, captions=20, sampling=Sampling("ddim", 1, 1.0))
    mine(world.data, mdm, "physical", pairs, pair_only)

    def refused(method: str, pairs: Path | None, generator: Path = mdm, data: Path = world.data) -> str:
        with pytest.raises(UserError) as raised:
            align(data, generator, world.reward, out, PreferenceConfig(method), LOOP, pairs)
        assert not out.exists() and "\n" not in str(raised.value)
        return str(raised.value)

    assert "another generator" in refused("modipo", pairs, world.generators["mld"])
    assert "--keep all" in refused("dpo-ranked", pairs)
    assert "takes no mined pairs" in refused("sopo", pairs)
    assert "give --pairs" in refused("dpo", None)
    assert "sopo pairs mine" in refused("dpo", tmp_path / "gone.parquet")
    other = tmp_path / "other"
    other.mkdir()
    for path in world.data.iterdir():
        (other / path.name).symlink_to(path)
    (other / "train.txt").unlink()
    (other / "train.txt").write_text("\n".join((world.data / "train.txt").read_text().split()[:-1]))
    assert "another data" in refused("dpo", pairs, data=other)
    pairs.write_bytes(pairs.read_bytes()[:-100])
    assert "truncated" in refused("dpo", pairs)


def test_half_precision_is_close_and_half_as_large(world, tmp_path: Path) -> None:
    stores = [
        mine(
            world.data,
            world.generators["mld"],
            "physical",
            tmp_path / f"{half}.parquet",
            MineConfig(K=2, half=half, sampling=Sampling("ddim", 2, 1.0)),
        )
        for half in (False, True)
    ]
    full, half = (store.samples(0) for store in stores)
    assert half.dtype == torch.float16 and full.dtype == torch.float32
    torch.testing.assert_close(half.float(), full, rtol=1e-3, atol=1e-3)
