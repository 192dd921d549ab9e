"""The offline text encoder."""

import subprocess
import sys

import pytest
import torch
from torch.nn.functional import cosine_similarity

from sopo.errors import UserError
from sopo.text import text_encoder
from sopo.text.hashed import MAX_TOKENS, HashedWords, split_words


def test_vectors_do_not_depend_on_the_process_or_on_what_came_before() -> None:
    code = "from sopo.text.hashed import HashedWords as H; print(H(16).vectors(['walk'])[0, :4].tolist())"
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    encoder = HashedWords(16)
    encoder.encode(["a person runs"])
    assert str(encoder.vectors(["walk"])[0, :4].tolist()) == elsewhere.strip()


def test_word_order_is_kept() -> None:
    out = HashedWords(32).encode(["walk then jump", "jump then walk"])
    assert torch.equal(out.tokens[0], out.tokens[1].flip(0))
    assert not torch.equal(out.tokens[0], out.tokens[1])
    assert torch.allclose(out.pooled[0], out.pooled[1])


def test_forms_of_a_word_are_near_and_strangers_are_not() -> None:
    walk, walks, left, right, unseen = HashedWords(512).vectors(["walk", "walks", "left", "right", "zxqyvw"])
    assert cosine_similarity(walk, walks, dim=0) > 0.4
    assert cosine_similarity(left, right, dim=0).abs() < 0.15
    assert cosine_similarity(unseen, walk, dim=0).abs() < 0.15
    assert torch.isclose(unseen.norm(), torch.tensor(512.0).sqrt())


def test_padding_is_zero_and_batching_changes_nothing() -> None:
    encoder = HashedWords(8)
    texts = ["He waves.", "a person walks forward, slowly", ""]
    together = encoder.encode(texts)
    assert together.mask.sum(1).tolist() == [2, 5, 1]
    assert (together.tokens[~together.mask] == 0).all()
    for row, text in enumerate(texts):
        alone = encoder.encode([text])
        assert torch.equal(alone.tokens[0], together.tokens[row][together.mask[row]])
        assert torch.equal(alone.pooled[0], together.pooled[row])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A person\u2019s left-hand, raised!", ["a", "person's", "left", "hand", "raised"]),
        ("<a href='x'>", ["a", "href", "x"]),
        ("ＷＡＬＫ\n\tÉté 2", ["walk", "été", "2"]),
        ("...", [""]),
        ("", [""]),
    ],
)
def test_words_of_untidy_text(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_long_texts_are_cut() -> None:
    assert HashedWords(4).encode(["step " * 99]).tokens.shape == (1, MAX_TOKENS, 4)


def test_an_empty_batch() -> None:
    assert HashedWords(4).encode([]).pooled.shape == (0, 4)


@pytest.mark.parametrize("name", ["hashed", "hashed-", "hashed-x", "hashed-0", "bert", ""])
def test_unknown_names(name: str) -> None:
    with pytest.raises(UserError, match="clip-vit-b32"):
        text_encoder(name)


def test_rows_and_repeat() -> None:
    out = text_encoder("hashed-8").encode(["walk", "sit down now", "run"])
    assert torch.equal(out.rows(torch.tensor([1])).pooled, out.pooled[1:2])
    assert torch.equal(out.rows(slice(0, 2)).tokens, out.tokens[:2])
    assert torch.equal(out.repeat(2).pooled[2:4], out.pooled[1].expand(2, 8))
    assert out.repeat(2).mask.shape == (6, 3) and len(out.to("cpu")) == 3
