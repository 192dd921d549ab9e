"""What a field's hint allows, and what is said of the rest."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import pytest

from sopo.errors import UserError
from sopo.generators.length_estimator import LengthEstimator
from sopo.generators.motion_vae import MotionVAE
from sopo.generators.rvq_vae import RVQVAE
from sopo.pretrained import Pretrained
from sopo.recipes.build import GENERATORS, MATCHERS
from sopo.rewards.bradley_terry import BradleyTerry
from sopo.settings import Natural, Range, Rate, Seed, Settings, settings_from, shown


@dataclass(frozen=True)
class Inner(Settings):
    """A part."""

    size: Annotated[int, Range(1, 8)] = 2


@dataclass(frozen=True)
class Outer(Settings):
    """A field of every kind."""

    size: Natural = 0
    rate: Rate = 0.5
    share: Annotated[float, Range(0, 1, "[)")] = 0.0
    weight: float = 1.0
    name: str = "a"
    flag: bool = False
    kind: Literal["a", "b"] = "a"
    fps: Annotated[float, Range(0, ends="(]")] | None = None
    seeds: tuple[Seed, ...] = (0, 1)
    inner: Inner = field(default_factory=Inner)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size == 13:
            raise UserError("size is 13: bad luck")


ALLOWED: list[dict[str, Any]] = [
    {"size": 10**30},
    {"rate": 0.999},
    {"share": 0},
    {"weight": -3},
    {"weight": 1e308},
    {"name": ""},
    {"flag": True},
    {"kind": "b"},
    {"fps": None},
    {"fps": 20},
    {"seeds": ()},
    {"inner": Inner(8)},
]
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"size": -1}, "size is -1: must be a whole number, 0 or more"),
    ({"size": True}, "size is True: must be a whole number, 0 or more"),
    ({"size": 2.0}, "size is 2.0: must be a whole number, 0 or more"),
    ({"size": "2"}, "size is '2': must be"),
    ({"size": None}, "size is None: must be"),
    ({"size": 13}, "bad luck"),
    ({"rate": 0}, "must be a number above 0 and below 1"),
    ({"rate": 1.0}, "must be a number above 0 and below 1"),
    ({"share": 1}, "must be a number, 0 or more and below 1"),
    ({"weight": math.nan}, "weight is nan: must be a number"),
    ({"weight": math.inf}, "weight is inf: must be a number"),
    ({"weight": 10**400}, "weight is 1000"),
    ({"weight": False}, "weight is False: must be a number"),
    ({"name": 3}, "name is 3: must be text"),
    ({"flag": 1}, "flag is 1: must be true or false"),
    ({"kind": "c"}, "kind is 'c': must be one of a, b"),
    ({"kind": ["a"]}, "must be one of a, b"),
    ({"fps": 0}, "must be a number above 0 or null"),
    ({"seeds": [0]}, "seeds is [0]: must be a list of which each is a whole number"),
    ({"seeds": (0, -1)}, "seeds is (0, -1)"),
    ({"inner": {"size": 2}}, "must be settings of Inner"),
]


@pytest.mark.parametrize("values", ALLOWED, ids=str)
def test_what_fits_is_kept_as_it_is(values: dict[str, Any]) -> None:
    made = Outer(**values)
    assert all(getattr(made, name) is value for name, value in values.items())


@pytest.mark.parametrize(("values", "says"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_does_not_is_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as refused:
        Outer(**values)
    assert says in str(refused.value)


def test_json_is_told_where_it_is_wrong() -> None:
    entries = {"seeds": [3, 4], "fps": 20, "inner": {"size": 8}}
    assert settings_from(Outer, entries, "f.json") == Outer(seeds=(3, 4), fps=20, inner=Inner(8))
    for wrong, says in (
        ({"inner": {"size": 9}}, "f.json: inner.size is 9: must be a whole number from 1 to 8"),
        ({"inner": {"sizes": 1}}, "f.json: unknown entries ['sizes']"),
        ({"inner": [1]}, "f.json: inner is (1,): must be settings of Inner"),
        ({"size": [1]}, "f.json: size is (1,): must be"),
        ({"self": 1}, "f.json: unknown entries ['self']"),
    ):
        with pytest.raises(UserError) as refused:
            settings_from(Outer, wrong, "f.json")
        assert says in str(refused.value)


@pytest.mark.parametrize(
    "value", ["x" * 10**6, "a\nb\x1b[31m", 10**5000, [[1] * 1000] * 1000, {"a": {"b": {}}}], ids=type
)
def test_a_strange_value_is_shown_in_one_short_line(value: object) -> None:
    assert len(shown(value)) < 200 and shown(value).isprintable()


MODELS: list[type[Pretrained]] = [*GENERATORS.values(), *MATCHERS.values()]
MODELS += [MotionVAE, RVQVAE, LengthEstimator, BradleyTerry]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.kind)
def test_every_number_of_a_model_has_a_range(model: type[Pretrained]) -> None:
    """Or a stranger's folder could ask for any amount of anything."""
    hints = get_type_hints(model.Config, include_extras=True)
    for name in (part.name for part in fields(model.Config)):
        assert hints[name] not in (int, float), f"{model.Config.__name__}.{name}"
        if get_origin(hints[name]) is Annotated:
            assert all(math.isfinite(limits.high) for limits in get_args(hints[name])[1:]), name
