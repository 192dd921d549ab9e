"""docs/humanml3d.md, executed: every command of the page in its order, on small stand-ins for what people download."""

from __future__ import annotations

import pickle
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import small_releases as release
import synthetic_release
import torch

from sopo.cli.main import main
from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus
from sopo.recipes import machine
from sopo.text import choose_text_places
from sopo.text.encoder import TextEmbedding
from sopo.text.hashed import HashedWords
from sopo.text.pretrained import PretrainedEncoder

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "humanml3d.md").read_text(encoding="utf-8")
# What makes a command small, by its verb.
SMALLER = {
    "align": ["--steps", "1", "--batch_size", "2", "--K", "2", "--rollout.sampler", "ddim", "--rollout.steps", "2"],
    "profile": ["--steps", "1", "--batch_size", "2", "--K", "2", "--rollout.sampler", "ddim", "--rollout.steps", "2"],
    "eval": ["--runs", "2", "--pool", "4", "--sampling.steps", "2"],
    "sample": ["--sampling.steps", "2", "--seconds", "1"],
    "train": ["--steps", "1", "--batch_size", "2", "--width", "16", "--layers", "1", "--heads", "2"],
}


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines()]


def clones() -> None:
    """HumanML3D's index, captions, splits and joints; AMASS and the body, for which people register."""
    made = synthetic_release.write_release(Path("made"))
    for ours, theirs in (("checkout", "HumanML3D"), ("amass", "amass"), ("bodies", "body_models")):
        (Path("made") / ours).rename(theirs)
    usable = [row[3] for row in made.rows if row[2] - row[1] > 40 or row[2] == -1]
    for split, names in (("test", usable[:3]), ("val", usable[3:4]), ("train", usable[4:])):
        keys = [f"{side}{name}\n" for side in ("", "M") for name in names]
        (Path("HumanML3D") / "HumanML3D" / f"{split}.txt").write_text("".join(keys))
    release.write_statistics(Path("TMR/stats/humanml3d/guoh3dfeats"), 263, ".pt")


def mdm_downloads() -> None:
    """The evaluators with GloVe by the script; by hand, as the text says, two MDMs and the folder KIT-ML."""
    root = Path("motion-diffusion-model")
    for dataset, features in (("t2m", 263), ("kit", 251)):
        release.write_guo(root / dataset, features)
    write_glove(root / "glove")
    release.write_mdm(root / "save" / "humanml_enc_512_50steps" / "model000750000.pt", 263, 50)
    release.write_mdm(root / "save" / "kit_trans_enc_512" / "model000400000.pt", 251, 1000)
    (root / "save" / "kit_trans_enc_512" / "args.json").unlink()
    make_corpus(Path("data/KIT-ML"), CorpusConfig(train=12, val=0, test=12, skeleton="kit"))


def write_glove(folder: Path) -> None:
    """The evaluator's word vectors, a few of them."""
    words = ["sos", "eos", "unk", "man", "kick", "a"]
    folder.mkdir(parents=True)
    vectors = np.random.default_rng(0).normal(size=(len(words), 300)).astype(np.float32)
    np.save(folder / "our_vab_data.npy", vectors)
    (folder / "our_vab_words.pkl").write_bytes(pickle.dumps(words))
    (folder / "our_vab_idx.pkl").write_bytes(pickle.dumps({word: row for row, word in enumerate(words)}))


def momask_downloads() -> None:
    for dataset, features in (("t2m", 263), ("kit", 251)):
        release.write_momask(Path("momask-codes/checkpoints") / dataset, features)


# What a line that is not ours leaves on the disk.
DOWNLOADS = {
    "git clone https://github.com/EricGuo5513/HumanML3D": clones,
    "(cd motion-diffusion-model && bash prepare/download_t2m_evaluators.sh": mdm_downloads,
    "(cd TMR && bash prepare/download_pretrain_models.sh": lambda: release.write_tmr(
        Path("TMR/models/tmr_humanml3d_guoh3dfeats")
    ),
    "(cd MotionLCM && bash prepare/download_pretrained_models.sh": lambda: release.write_mld(
        Path("MotionLCM/experiments_t2m/mld_humanml/mld_humanml_v1.ckpt"), 263, star=True
    ),
    "(cd momask-codes && bash prepare/download_models.sh": momask_downloads,
}
NOTHING_LEFT = ("git clone ", "pip install ", "hf download ")  # text models are stood in for below


@pytest.fixture
def new_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder with the recipes in it, and text models that say hashed words."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")

    def encode(self: PretrainedEncoder, texts: list[str]) -> TextEmbedding:
        return HashedWords(self.width).encode(texts)

    monkeypatch.setattr(PretrainedEncoder, "encode", encode)
    monkeypatch.setattr(PretrainedEncoder, "version", lambda self: "none")
    monkeypatch.setattr(machine, "choose_text_places", lambda models, cache: None)
    choose_text_places(cache=tmp_path / "texts")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)
    choose_text_places()


@pytest.mark.slow
def test_every_command_of_the_page_runs(new_machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = 0
    for line in commands():
        if line.startswith("sopo "):
            words = shlex.split(line)[1:]
            smaller = [] if "--compare" in words else SMALLER.get(words[0], [])
            print(f"$ {line}")
            main([*words, *smaller])
            done += 1
        elif leave := next((leave for start, leave in DOWNLOADS.items() if line.startswith(start)), None):
            leave()
        else:
            assert line.startswith(NOTHING_LEFT), f"no stand-in for: {line}"
    told = capsys.readouterr().out
    assert done == told.count("$ sopo ") >= 25
    assert "real row NOT as published" in told  # which stand-ins are not
    for made in ("runs/mdm", "runs/mld-star", "runs/momask", "runs/momask-kit", "runs/mdm-kit"):
        assert (new_machine / made / "model.safetensors").is_file(), made


def test_what_the_page_says_goes_wrong_is_what_the_program_says() -> None:
    table = PAGE.partition("## It went wrong")[2]
    quoted = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src" / "sopo").rglob("*.py"))
    plain = re.sub(r'"\s*f?"', "", code)  # strings that run over lines
    assert len(quoted) > 8
    assert [text for text in quoted if text not in plain] == []


def test_every_recipe_is_on_the_page() -> None:
    assert {path.name for path in (ROOT / "recipes").glob("*.yaml")} == set(re.findall(r"recipes/([\w-]+\.yaml)", PAGE))
