"""TMR against recorded numbers of the published code, and its own promises."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from parity_table import parity, same_layout
from recordings import Numbers, Recordings, numbered

from sopo.batch import Batch, Caption, as_captions
from sopo.errors import UserError
from sopo.matching.losses import false_negatives, info_nce, kl_normal
from sopo.matching.objectives import TMRObjective, TMRWeights
from sopo.matching.retrieval import retrieval
from sopo.matching.settings import TMRConfig
from sopo.matching.tmr import PUBLISHED, TMR
from sopo.motion.normalize import Normalizer
from sopo.published.tmr import HEADS, tmr_config
from sopo.randomness import Draws
from sopo.text import TextEmbedding

SMALL = TMRConfig(features=23, text_encoder="hashed-16", width=16, feedforward=32)
PARTS = ("motion_encoder", "text_encoder", "motion_decoder")


@pytest.fixture
def tiny(recordings: Recordings, float64: None) -> TMR:
    weights = {
        f"{part}.{key}": tensor
        for part in PARTS
        for key, tensor in recordings.weights(f"tmr/tiny_{part}.safetensors").items()
    }
    config = replace(
        tmr_config(weights, "tmr/tiny", recordings.setting("tmr/tiny", "num_heads", HEADS)),
        text_encoder=f"hashed-{weights['text_encoder.projection.weight'].shape[1]}",
    )
    model = TMR(config)
    own = {f"normalizer.{name}": tensor for name, tensor in model.normalizer.state_dict().items()}
    model.load_state_dict(weights | own)
    return model.eval()


@pytest.fixture
def recorded(recordings: Recordings) -> Numbers:
    return recordings.numbers("tmr/tiny_encode_io.npz") | recordings.numbers("tmr/tiny_loss_io.npz")


def setting(recordings: Recordings, name: str, default: Any) -> Any:
    """Of the tiny model's training, or of the published one's, which it shares."""
    return recordings.setting("tmr/tiny", name, recordings.setting("tmr/published", name, default))


def text_of(recorded: Numbers) -> TextEmbedding:
    return TextEmbedding(recorded["text_tokens"], recorded["text_mask"], recorded["sent_emb"])


def test_encoders_and_decoder_match_the_published_ones(tiny: TMR, recorded: Numbers) -> None:
    length, frames = recorded["motion_length"], recorded["motion"].shape[1]
    with torch.no_grad():
        for modality, gaussian in (
            ("motion", tiny.motion_gaussian(recorded["motion"], length)),
            ("text", tiny.text_gaussian(text_of(recorded))),
        ):
            parity("tmr/tiny_encode_io: encoders", gaussian[0], recorded[f"{modality}_mu"], 1e-5)
            parity("tmr/tiny_encode_io: encoders", gaussian[1], recorded[f"{modality}_logvar"], 1e-5)
            decoded = tiny.decode(recorded[f"{modality}_mu"], length, frames)
            parity("tmr/tiny_encode_io: decoder", decoded, recorded[f"decoded_from_{modality}_mu"], 1e-5)
    text, motion = recorded["text_mu"], recorded["motion_mu"]
    matrix = tiny.similarity(text[:, None], motion[None])
    parity("tmr/tiny_encode_io: scores", matrix, recorded["sim_matrix_t2m"], 1e-5)
    parity("tmr/tiny_encode_io: scores", matrix / 2 + 0.5, recorded["score_matrix_t2m"], 1e-5)
    scores = tiny.similarity(text, motion) / 2 + 0.5
    parity("tmr/tiny_encode_io: scores", scores, recorded["score_vector"], 1e-5)
    parity("tmr/tiny_encode_io: scores", scores[0], recorded["score_single_0"], 1e-5)


def test_training_loss_matches_the_published_one(recordings: Recordings, tiny: TMR, recorded: Numbers) -> None:
    features, said = tiny.config.features, partial(setting, recordings)
    weights = TMRWeights(**said("lmd", {}), temperature=said("temperature", 0.1))
    objective = TMRObjective(tiny, Normalizer(torch.zeros(features), torch.ones(features)), weights).eval()
    ignore = false_negatives(recorded["sent_emb"], said("threshold_selfsim", 0.8))
    assert torch.equal(ignore, recorded["filtered_mask"])
    noise = (recorded["eps_text"], recorded["eps_motion"])
    parts = objective.parts(recorded["motion"], recorded["motion_length"], text_of(recorded), noise, ignore)
    for name, part in parts.items():
        parity("tmr/tiny_loss_io: losses", part, recorded[f"loss_{name}"], 1e-4)
    loss = sum((getattr(weights, name) * part for name, part in parts.items()), torch.zeros(()))
    parity("tmr/tiny_loss_io: losses", loss, recorded["loss_loss"], 1e-4)
    loss.backward()
    for name in ("motion", "text"):
        gradient = getattr(tiny, f"{name}_encoder").tokens.grad
        parity("tmr/tiny_loss_io: gradients", gradient, recorded[f"grad_{name}_tokens"], 1e-4)


def test_single_terms_match_the_published_ones(recordings: Recordings, tiny: TMR, recorded: Numbers) -> None:
    z_text, z_motion = recorded["text_latent"], recorded["motion_latent"]
    t = recorded["text_mu"], recorded["text_logvar"]
    m = recorded["motion_mu"], recorded["motion_logvar"]
    unit = torch.zeros_like(t[0]), torch.zeros_like(t[0])
    pairs = {
        "contrastive_without_filter": info_nce(z_text, z_motion, setting(recordings, "temperature", 0.1)),
        "kl_t_m": kl_normal(t, m),
        "kl_m_t": kl_normal(m, t),
        "kl_m_0": kl_normal(m, unit),
        "kl_t_0": kl_normal(t, unit),
    }
    for key, digits in numbered(recorded, "infonce_t0{}"):
        pairs[key] = info_nce(z_text, z_motion, float(f"0.{digits}"), recorded["filtered_mask"])
    for name, value in pairs.items():
        parity("tmr/tiny_loss_io: single terms", value, recorded[name], 1e-4)
    for name, latent, moments in (("text", z_text, t), ("motion", z_motion, m)):
        sampled = moments[0] + recorded[f"eps_{name}"] * (moments[1] / 2).exp()
        parity("tmr/tiny_loss_io: latents", sampled, latent, 1e-5)
        decoded = tiny.decode(latent, recorded["motion_length"], recorded["motion"].shape[1])
        error = torch.nn.functional.smooth_l1_loss(decoded, recorded["motion"])
        parity("tmr/tiny_loss_io: single terms", error, recorded[f"recons_{name}"], 1e-4)


def test_normalisation_matches_the_published_one(recordings: Recordings) -> None:
    stats, expected = (recordings.numbers(f"tmr/normalizer_{name}.npz") for name in ("stats", "io"))
    normalizer = Normalizer(stats["tmr_humanml3d_mean"], stats["tmr_humanml3d_std"])
    parity("tmr/normalizer_io", normalizer.normalize(expected["raw"]), expected["normalised"], 1e-6)


def test_statistics_of_the_release_of_sopo_are_nearly_tmrs(recordings: Recordings) -> None:
    """The same for KIT-ML, and computed again for HumanML3D."""
    stats = recordings.numbers("tmr/normalizer_stats.npz")
    if "sopo_kitml_mean" not in stats:
        pytest.skip("tmr/normalizer_stats.npz has no statistics of that release")
    for name in ("mean", "std"):
        assert torch.equal(stats[f"tmr_kitml_{name}"], stats[f"sopo_kitml_{name}"])
        assert 0 < (stats[f"tmr_humanml3d_{name}"] - stats[f"sopo_humanml3d_{name}"]).abs().max() < 1e-3


def test_retrieval_matches_the_published_one(recordings: Recordings) -> None:
    recorded = recordings.numbers("tmr/retrieval_metrics_io.npz")
    protocols = recordings.json("tmr/retrieval_metrics_expected.json")
    for protocol, expected in protocols.items():
        threshold = protocol.removeprefix("threshold_").replace("_", ".")
        same = None if protocol == "all" else false_negatives(recorded["sent_emb"], float(threshold))
        ranks = [int(name.partition("/R")[2]) for name in expected if name.startswith("t2m/R")]
        result = retrieval(recorded["sim_matrix"], ks=ranks, same=same)
        for name, value in expected.items():
            direction, _, metric = name.partition("/")
            if metric.startswith("R"):
                share = result[f"{direction}/R@{int(metric[1:])}"]
                parity("tmr/retrieval_metrics_io: R@k in percent", share * 100, value, 1e-6)
            elif metric == "MedR":
                parity("tmr/retrieval_metrics_io: MedR", result[name], value)


@pytest.mark.parametrize("preset", PUBLISHED)
def test_published_weights_have_a_place(recordings: Recordings, preset: str) -> None:
    manifest = recordings.json("tmr/manifest_humanml3d.json")
    model = TMR(PUBLISHED[preset])
    for part in PARTS:
        ours = {name: tensor.shape for name, tensor in getattr(model, part).state_dict().items()}
        same_layout(f"tmr/manifest_humanml3d: {preset}", ours, manifest[part])


@pytest.mark.parametrize("frames_per_token", [1, 4])
@pytest.mark.usefixtures("float64")
def test_embeddings_do_not_depend_on_padding_or_company(frames_per_token: int) -> None:
    model = TMR(replace(SMALL, frames_per_token=frames_per_token))
    model.set_statistics(torch.randn(23), torch.rand(23) + 0.5)
    motions, length = torch.randn(5, 30, 23), torch.tensor([8, 30, 17, 4, 24])
    together = model.embed_motions(motions, length)
    dirty = torch.cat([motions, torch.full((5, 50, 23), torch.nan)], 1)
    for row, frames in enumerate(length.tolist()):
        dirty[row, frames:] = torch.nan
    torch.testing.assert_close(model.embed_motions(dirty, length), together)
    for row, frames in enumerate(length.tolist()):
        alone = model.embed_motions(motions[row : row + 1, :frames], length[row : row + 1])
        torch.testing.assert_close(alone[0], together[row])
    captions = as_captions(["walk", "a person sits down and stands up", "walk"])
    texts = model.embed_texts(captions)
    torch.testing.assert_close(model.embed_texts(captions[:1])[0], texts[0])
    assert torch.equal(texts[0], texts[2])
    assert model.training and not texts.requires_grad


@pytest.mark.usefixtures("float64")
def test_many_motions_keep_their_order() -> None:
    model = TMR(SMALL)
    length = torch.randint(1, 5, (600,)) * 4
    motions = torch.randn(600, 16, 23)
    found = model.embed_motions(motions, length)
    torch.testing.assert_close(found[577:], model.embed_motions(motions[577:], length[577:]))


def test_a_saved_model_comes_back(tmp_path: Path) -> None:
    model = TMR(SMALL)
    model.set_statistics(torch.randn(23), torch.rand(23) + 0.5)
    again = TMR.from_pretrained(model.save_pretrained(tmp_path / "tmr"))
    motions, length = torch.randn(3, 12, 23), torch.tensor([12, 8, 4])
    assert torch.equal(again.embed_motions(motions, length), model.embed_motions(motions, length))
    assert again.config == model.config


def test_a_damaged_or_foreign_folder_is_refused(tmp_path: Path) -> None:
    folder = TMR(SMALL).save_pretrained(tmp_path / "tmr")
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="truncated"):
        TMR.from_pretrained(folder)
    settings = folder / "config.json"
    settings.write_text(settings.read_text().replace('"tmr"', '"guo"'))
    with pytest.raises(UserError, match="guo"):
        TMR.from_pretrained(folder)


def test_training_finds_the_pairs() -> None:
    words = ["walk", "jump", "kick", "sit", "wave", "spin", "bow", "run"]
    captions = tuple(Caption(f"a person will {word}") for word in words)
    statistics = Normalizer(torch.full((23,), 2.0), torch.full((23,), 3.0))
    model = TMR(replace(SMALL, dropout=0.0))
    model.set_statistics(statistics.mean, statistics.std)
    batch = Batch(torch.randn(8, 1, 23).expand(8, 16, 23), torch.full((8,), 16), captions, tuple(words))
    objective = TMRObjective(model, statistics, TMRWeights(contrastive=1.0, noise=0.1))
    optimizer = torch.optim.AdamW(objective.parameters(), 1e-3)
    for step in range(60):
        loss, logs = objective(batch, Draws(step, 8))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert set(logs) == {"recons", "kl", "latent", "contrastive"}
    texts = model.embed_texts(captions)
    motions = model.embed_motions(statistics.denormalize(batch.motion), batch.length)
    assert retrieval(model.similarity(texts[:, None], motions[None]), ks=(1,))["t2m/R@1"] == 1


def test_the_default_is_small() -> None:
    assert sum(p.numel() for p in TMR(TMRConfig()).parameters()) * 4 < 4e6
