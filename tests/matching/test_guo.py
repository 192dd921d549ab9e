"""The evaluator of Guo et al. against recorded numbers of the published code, and its own promises."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from parity_table import parity, same_layout
from recordings import Recordings, each, numbered

from sopo.batch import Batch, Caption, as_captions
from sopo.errors import UserError
from sopo.matching.guo import PUBLISHED, GuoMatcher
from sopo.matching.losses import margin_contrastive
from sopo.matching.objectives import GuoObjective, MovementObjective
from sopo.matching.retrieval import retrieval
from sopo.matching.settings import GuoConfig
from sopo.matching.words import CLASSES, VIP_CLASS, GloveWords, read_words, word_vectors
from sopo.motion.normalize import Normalizer
from sopo.published.guo import guo_config
from sopo.randomness import Draws

SMALL = GuoConfig(23, "hashed-16", 16, 8, 64, 16, 16, 16, 16, 16)
SHARE = 3e-5  # of the largest number, which summing over a sequence may make of 32 bits
each_dataset = each("name", "t2m_evaluator/tiny_*.safetensors", "t2m_evaluator/tiny_t2m", "t2m_evaluator/tiny_kit")


@each_dataset
@pytest.mark.usefixtures("float64")
def test_embeddings_match_the_published_ones(recordings: Recordings, name: str) -> None:
    weights, io = recordings.weights(f"{name}.safetensors"), recordings.numbers(f"{name}_io.npz")
    frames = io["motions_fp16"].shape[1]
    model = GuoMatcher(replace(guo_config(weights, name, "hashed-16"), max_frames=frames)).eval()
    own = {f"normalizer.{part}": tensor for part, tensor in model.normalizer.state_dict().items()}
    model.load_state_dict(weights | own)
    with torch.no_grad():
        text = model.text_encoder(io["word_embs_fp16"], io["pos_onehot"].double(), io["cap_lens"])
        parity(f"{name}_io: embeddings", text, io["text_embedding_input_order"], SHARE)
        order = io["align_idx"]
        parity(f"{name}_io: embeddings", text[order], io["text_embedding"], SHARE)
        for tail in ("", "_not_zeropadded"):
            motion = model.encode_motions(io[f"motions{tail}_fp16"], io["m_lens"])
            parity(f"{name}_io: embeddings", motion[order], io[f"motion_embedding{tail}"], SHARE)
        movement = model.movement_encoder(io["motions_fp16"])
        parity(f"{name}_io: movements", movement, io["movement_encoder_out"], SHARE)
    zeros = model.embed_motions(io["motions_not_zeropadded_fp16"], io["m_lens"])
    parity(f"{name}_io: embeddings", zeros, io["motion_embedding_input_order"], SHARE)


@pytest.mark.parametrize(("preset", "entry"), [("guo-humanml3d", "t2m"), ("guo-kit", "kit")])
def test_published_statistics_are_of_its_features(recordings: Recordings, preset: str, entry: str) -> None:
    """Deviations of root and contacts are 25 times smaller than those of HumanML3D: the files are taken as they are."""
    mean, std = (
        torch.from_numpy(recordings.array(f"t2m_evaluator/evaluator_{entry}_{part}.npy")).float()
        for part in ("mean", "std")
    )
    model = GuoMatcher(PUBLISHED[preset])
    model.set_statistics(mean, std)
    assert torch.equal(model.prepare(mean.expand(1, 8, -1), torch.tensor([8]), 8)[0, :8], torch.zeros(8, len(mean)))
    if entry == "t2m":
        ratio = torch.from_numpy(recordings.array("features/humanml3d_Std.npy")) / std
        assert all(24 < ratio[part].mean() < 26 for part in (slice(0, 4), slice(259, 263)))
        assert 0.99 < ratio[4:259].mean() < 1.01


@pytest.mark.parametrize(("preset", "entry"), [("guo-humanml3d", "t2m"), ("guo-kit", "kit")])
def test_published_weights_have_a_place(recordings: Recordings, preset: str, entry: str) -> None:
    manifests = recordings.json("t2m_evaluator/manifests.json")
    manifest = next(value for name, value in manifests.items() if name.startswith(entry))
    model = GuoMatcher(PUBLISHED[preset])
    for part in ("movement_encoder", "motion_encoder", "text_encoder"):
        ours = {name: tensor.shape for name, tensor in getattr(model, part).state_dict().items()}
        same_layout(f"t2m_evaluator/manifests: {entry}", ours, manifest[part])


def test_classes_of_words_are_the_published_ones(recordings: Recordings) -> None:
    tables = recordings.json("t2m_evaluator/pos_vocabulary.json")
    assert {name: index for index, name in enumerate(CLASSES)} == tables["pos_to_index"]
    assert {word: name for name, words in tables["vip_words"].items() for word in words} == VIP_CLASS


def test_words_are_read_as_published(recordings: Recordings) -> None:
    recorded = recordings.json("t2m_evaluator/word_vectorizer_cases.json")
    vocabulary = recorded["vocabulary_used"]
    for case in recorded["cases"]:
        words, classes, _ = read_words(Caption("", (case["token"],)), set(vocabulary).__contains__, 20)
        assert (words[1], classes[1]) == (case["vector_of_word"], case["pos_index"])
    token = next(f"{word}/VERB" for word in vocabulary if word not in ("sos", "eos", "unk"))
    for key, longest in numbered(recorded, "padding_cases_max_text_len_{}"):
        for case in recorded[key]:
            caption = Caption("", (token,) * case["num_caption_tokens"])
            if caption.tokens:
                words, classes, count = read_words(caption, set(vocabulary).__contains__, longest)
                assert (len(words), len(classes), count) == (case["total_len"], case["total_len"], case["sent_len"])
                assert words.index("eos") == case["index_of_eos"]
                assert words.count("unk") == case["num_unk_padding"]


def test_untagged_captions_are_tagged() -> None:
    plain = read_words(Caption("A person walks."), lambda word: True, 20)
    tagged = read_words(Caption("", ("a/DET", "person/NOUN", "walk/VERB")), lambda word: True, 20)
    assert plain == tagged


def glove_folder(folder: Path, words: Any, index: Any) -> Path:
    np.save(folder / "our_vab_data.npy", np.arange(20, dtype=np.float32).reshape(5, 4))
    (folder / "our_vab_words.pkl").write_bytes(pickle.dumps(words))
    (folder / "our_vab_idx.pkl").write_bytes(pickle.dumps(index))
    return folder


WORDS = ["sos", "eos", "unk", "walk", "run"]
INDEX = {word: i for i, word in enumerate(WORDS)}


def test_glove_is_read(tmp_path: Path) -> None:
    table = word_vectors(f"glove:{glove_folder(tmp_path, WORDS, INDEX)}")
    assert table.width == 4 and table.known("walk") and not table.known("zebra")
    assert table.vectors(["run", "sos"]).tolist() == [[16, 17, 18, 19], [0, 1, 2, 3]]


class Trap:
    """A pickle that would run code when loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("executed",))


@pytest.mark.parametrize(
    ("words", "index"),
    [
        (Trap(), INDEX),
        (WORDS, {**INDEX, "walk": Trap()}),
        (WORDS, {**INDEX, "walk": 99}),
        ([*WORDS, ["nested"]], INDEX),
        (WORDS[2:], {"walk": 1}),
        ("words", INDEX),
    ],
)
def test_glove_of_any_other_kind_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: Any, index: Any
) -> None:
    with pytest.raises(UserError, match=str(tmp_path)):
        GloveWords(glove_folder(tmp_path, words, index))
    assert "executed" not in capsys.readouterr().out


def test_glove_damaged_or_absent(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="missing"):
        GloveWords(tmp_path / "nowhere")
    folder = glove_folder(tmp_path, WORDS, INDEX)
    content = (folder / "our_vab_words.pkl").read_bytes()
    (folder / "our_vab_words.pkl").write_bytes(content[:-5])
    with pytest.raises(UserError, match="our_vab_words"):
        GloveWords(folder)
    with pytest.raises(UserError, match="hashed-WIDTH"):
        word_vectors("word2vec")


@pytest.mark.usefixtures("float64")
def test_embeddings_do_not_depend_on_padding_or_company() -> None:
    model = GuoMatcher(SMALL)
    model.set_statistics(torch.randn(23), torch.rand(23) + 0.5)
    motions, length = torch.randn(5, 64, 23), torch.tensor([8, 64, 17, 4, 40])
    together = model.embed_motions(motions, length)
    dirty = torch.cat([motions, torch.zeros(5, 30, 23)], 1)
    for row, frames in enumerate(length.tolist()):
        dirty[row, frames:] = torch.nan
        alone = model.embed_motions(motions[row : row + 1, :frames], length[row : row + 1])
        torch.testing.assert_close(alone[0], together[row])
    torch.testing.assert_close(model.embed_motions(dirty, length), together)
    texts = model.embed_texts(as_captions(["walk", "a person sits down", "walk"]))
    assert torch.equal(texts[0], texts[2])
    torch.testing.assert_close(model.embed_texts(as_captions(["walk"]))[0], texts[0])


@pytest.mark.parametrize("frames", [3, 80])
def test_lengths_it_cannot_read(frames: int) -> None:
    with pytest.raises(UserError, match=f"{frames} frames"):
        GuoMatcher(SMALL).embed_motions(torch.zeros(1, 80, 23), torch.tensor([frames]))


def test_a_saved_model_comes_back_and_others_are_refused(tmp_path: Path) -> None:
    model = GuoMatcher(SMALL)
    folder = model.save_pretrained(tmp_path / "guo")
    again = GuoMatcher.from_pretrained(folder)
    motions, length = torch.randn(3, 12, 23), torch.tensor([12, 8, 4])
    assert torch.equal(again.embed_motions(motions, length), model.embed_motions(motions, length))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"width": 0}))
    with pytest.raises(UserError, match="width is 0"):
        GuoMatcher.from_pretrained(folder)


def test_margin_loss() -> None:
    text = torch.zeros(3, 3)
    motion = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 12.0], [0.0, 6.0, 0.0]])
    alone = torch.eye(3, dtype=torch.bool)
    positive, negative = margin_contrastive(text, motion, alone, 10)
    assert float(positive) == pytest.approx((25 + 144 + 36) / 3, rel=1e-4)
    assert float(negative) == pytest.approx((25 + 25 + 16 + 16) / 4, rel=1e-4)  # the second motion is far enough
    twins = alone.clone()
    twins[1, 0] = twins[0, 1] = True  # rows 0 and 1 have one caption
    assert float(margin_contrastive(text, motion, twins, 10)[1]) == pytest.approx((25 + 16 + 16) / 3, rel=1e-4)


def test_both_stages_train() -> None:
    words = ["walk", "jump", "kick", "sit", "wave", "spin", "bow", "run"]
    statistics = Normalizer(torch.full((23,), 2.0), torch.full((23,), 3.0))
    model = GuoMatcher(SMALL)
    model.set_statistics(statistics.mean, statistics.std)
    clips = torch.randn(8, 1, 23).expand(8, 18, 23)
    batch = Batch(clips, torch.tensor([16, 12] * 4), as_captions(words), tuple(words))
    first = MovementObjective(model, statistics)
    history = _train(first, batch, 40)
    assert history[-1] < 0.8 * history[0]
    before = [p.clone() for p in model.movement_encoder.parameters()]
    _train(GuoObjective(model, statistics), batch, 200)
    assert all(torch.equal(a, b) for a, b in zip(before, model.movement_encoder.parameters(), strict=True))
    texts = model.embed_texts(batch.captions)
    motions = model.embed_motions(statistics.denormalize(clips), batch.length)
    assert retrieval(model.similarity(texts[:, None], motions[None]), ks=(1,))["t2m/R@1"] >= 0.5  # by chance 1/8


def _train(objective: torch.nn.Module, batch: Batch, steps: int) -> list[float]:
    optimizer = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad], 3e-3)
    objective.train()
    history = []
    for step in range(steps):
        loss, logs = objective(batch, Draws(step, len(batch)))
        assert all(value.ndim == 0 and not value.requires_grad for value in logs.values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    return history


def test_the_default_is_small() -> None:
    assert sum(p.numel() for p in GuoMatcher(GuoConfig()).parameters()) * 4 < 4e6
