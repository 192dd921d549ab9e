"""Model cards, and folders and pairs that go to the hub and come back; the hub is a folder here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar

import huggingface_hub
import pytest
import torch
from huggingface_hub import DatasetCard, ModelCard

from sopo.cards import CARD, MEASURED, split_parts, without_places
from sopo.cli.main import main
from sopo.corpus.settings import CorpusConfig
from sopo.corpus.write import make_corpus
from sopo.errors import UserError
from sopo.folders import CHECKPOINTS, local_pairs
from sopo.generators.mdm import MDM
from sopo.generators.settings import MDMConfig
from sopo.preference.pairs import PairStore
from sopo.recipes.build import load_generator
from sopo.recipes.push import push, scrubbed

TOKEN = "hf_" + "aB3" * 12


class Hub:
    """What `huggingface_hub` is asked to do, done in a folder: a folder for each name and revision."""

    root: ClassVar[Path]

    def create_repo(self, name: str, **_: Any) -> None:
        (self.root / name).mkdir(parents=True, exist_ok=True)

    def create_branch(self, name: str, branch: str, **_: Any) -> None:
        (self.root / name / branch).mkdir(exist_ok=True)

    def create_commit(self, name: str, operations: list[Any], revision: str | None, **_: Any) -> None:
        for operation in operations:
            file = self.root / name / (revision or "main") / operation.path_in_repo
            file.parent.mkdir(parents=True, exist_ok=True)
            content = operation.path_or_fileobj
            file.write_bytes(content if isinstance(content, bytes) else Path(content).read_bytes())


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    Hub.root = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, revision, **_: str(Hub.root / name / (revision or "main"))
    )
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Hub.root


@pytest.fixture
def small(hub: Path) -> Path:
    torch.manual_seed(0)
    sizes = {"width": 8, "feedforward": 8, "layers": 1, "heads": 2, "text_encoder": "hashed-16", "diffusion_steps": 4}
    return MDM(MDMConfig(**sizes)).save_pretrained("small")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cards") / "corpus"
    make_corpus(folder, CorpusConfig(train=8, val=0, test=36))
    return folder


def test_a_card_says_what_a_run_was_and_what_was_measured(small: Path, corpus: Path) -> None:
    models = ["--generator", "small", "--data", str(corpus)]
    main(["align", *models, "--method", "sft", "--steps", "1", "--batch_size", "2", "--seed", "7", "--out", "runs/sft"])
    card = ModelCard.load("runs/sft/README.md")
    assert card.data.library_name == "sopo" and "mdm" in card.data.tags
    for line in ("| base | small |", "| method | sft |", "| seed | 7 |", "| data | corpus |"):
        assert line in card.text
    assert str(corpus.parent) not in str(card) and MEASURED not in split_parts(card.text)[1]
    evaluate = ["--evaluator", "shipped/evaluator", "--runs", "1", "--sampling.steps", "1", "--card", "true"]
    main(["eval", "--generator", "small", "runs/sft", *models[2:], *evaluate])
    for folder, base in (("small", "runs/sft"), ("runs/sft", "small")):
        card = ModelCard.load(f"{folder}/README.md")
        measured = split_parts(card.text)[1][MEASURED]
        assert all(part in measured for part in ("| real |", "| this model |", f"| {base} |", "rule_accuracy ↑", " ± "))
        assert {result.metric_type for result in card.data.eval_results} >= {"R@1", "FID", "foot_skate"}
    main(["align", *models, "--method", "sft", "--steps", "2", "--batch_size", "2", "--seed", "7", "--out", "runs/sft"])
    assert MEASURED not in Path("runs/sft/README.md").read_text()  # these are other weights


def test_what_ships_has_a_card() -> None:
    for folder in CHECKPOINTS.iterdir():
        card = ModelCard.load(folder / CARD)
        assert card.data.license == "mit" and f'("shipped/{folder.name}")' in card.text


def test_what_is_not_ours_is_kept(small: Path) -> None:
    model = load_generator(small)
    text = (small / CARD).read_text()
    (small / CARD).write_text(text + "\n## Notes\n\nFor the demo.\n")
    model.save_pretrained(small)
    assert "## Notes\n\nFor the demo." in (small / CARD).read_text()
    for other in ("# My project\n", "---\nlicense: [\n---\n# broken\n"):
        (small / CARD).write_text(other)
        model.save_pretrained(small)
        assert (small / CARD).read_text() == other


def test_places_on_a_machine_are_not_told() -> None:
    told = without_places("0.7*/home/me/runs/reward + 0.3*physical, C:\\data\\mine, org/name, https://example.org/a/b")
    assert told == "0.7*reward + 0.3*physical, mine, org/name, https://example.org/a/b"


def test_a_model_goes_to_the_hub_and_comes_back_by_revision(
    small: Path, hub: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (small / ".env").write_text(f"HF_TOKEN={TOKEN}")
    (small / "run").mkdir()
    shutil.copytree(small, small / "round-1", ignore=lambda *_: ["run"])
    shutil.copytree(small, "part", ignore=lambda *_: ["run", "round-1"])
    shutil.move("part", small / "lengths")
    main(["push", "small", "org/walker", "--dry_run", "true", "--license", "mit"])
    told = capsys.readouterr().out
    assert "model.safetensors" in told and "stays here: .env, round-1, run" in told and not hub.exists()
    assert "mit" not in (small / CARD).read_text()
    main(["push", "small", "org/walker", "--license", "mit", "--revision", "v1"])
    sent = hub / "org/walker/v1"
    files = {str(path.relative_to(sent)) for path in sent.rglob("*") if path.is_file()}
    model = {"config.json", "model.safetensors"}
    assert files == model | {f"lengths/{name}" for name in model} | {CARD}
    assert (
        ModelCard.load(sent / CARD).data.license == "mit"
        and 'load_generator("org/walker")' in (sent / CARD).read_text()
    )
    again = load_generator("org/walker@v1")
    assert all(
        torch.equal(value, again.state_dict()[name]) for name, value in load_generator(small).state_dict().items()
    )
    with pytest.raises(UserError, match=r"org/walker: no such folder|no config.json"):
        load_generator("org/walker")


@pytest.mark.parametrize(
    "secret", [TOKEN, "-----BEGIN RSA PRIVATE KEY-----", "AKIA" + "A1" * 8, "https://me:hunter22@host/x"]
)
def test_a_secret_is_never_sent(secret: str, small: Path, hub: Path) -> None:
    text = (small / CARD).read_text()
    (small / CARD).write_text(text + f"\n## Notes\n\nUse {secret} here.\n")
    with pytest.raises(UserError, match=r"README.md: holds an? .*; nothing was sent") as refused:
        push(small, "org/walker", None, None, False, dry_run=False)
    assert secret not in str(refused.value) and not hub.exists()


def test_what_the_hub_says_is_told_without_secrets(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError(f"401 for Bearer {TOKEN}\nand more")

    monkeypatch.setattr(Hub, "create_repo", refuse)
    with pytest.raises(UserError, match=r"does not take it \(401 for Bearer \*\*\*\)$"):
        push(small, "org/walker", None, None, False, dry_run=False)
    assert scrubbed(f"x {TOKEN} y") == "x *** y"
    for name in ("walker", "org/walker@v1", "a/b/c"):
        with pytest.raises(UserError, match="write ORG/NAME"):
            push(small, name, None, None, False, dry_run=True)


def test_pairs_go_and_come_back(small: Path, hub: Path, corpus: Path) -> None:
    mine = ["pairs", "mine", "--generator", "small", "--reward", "shipped/reward", "--data", str(corpus), "--K", "2"]
    main([*mine, "--captions", "4", "--sampling.steps", "1", "--out", "mined.parquet"])
    main(["push", "mined.parquet", "org/pairs", "--license", "cc-by-4.0"])
    card = DatasetCard.load(hub / "org/pairs/main" / CARD)
    assert card.data.license == "cc-by-4.0" and "4 captions, 2 motions" in card.text and str(corpus) not in card.text
    assert PairStore(local_pairs("org/pairs")).origin == PairStore("mined.parquet").origin
    align = ["align", "--method", "modipo", "--generator", "small", "--data", str(corpus), "--pairs", "org/pairs"]
    main([*align, "--steps", "1", "--batch_size", "2", "--out", "out"])
    assert (Path("out") / CARD).is_file()
