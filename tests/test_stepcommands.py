"""Options from fields: every type a Step may hold comes through the command line as itself."""

import dataclasses
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import click
import numpy as np
import pytest
from click.testing import CliRunner

from photopeak.core import Grid, Image, Mask, Measurement, PhotopeakError, Text
from photopeak.stepcommands import describe, option_of


@dataclass(frozen=True)
class Knobs:
    level: float = 1.0

    @staticmethod
    def from_json(text: str) -> "Knobs":
        import json

        return Knobs(**json.loads(text))


@dataclass(frozen=True)
class Everything:
    count: int
    level: float = 0.5
    name: str = ""
    quick: bool = False
    path: Path = Path("here")
    kind: Literal["bw", "lbm"] = "bw"
    maybe: float | None = None
    pair: tuple[float, float] = (1.0, 2.0)
    many: tuple[int, ...] = ()
    knobs: Knobs = field(default_factory=Knobs, metadata={"help": "Every knob."})


def parse(arguments: list[str], cls=Everything):
    hints = typing.get_type_hints(cls)
    made = []
    options = [option_of(f, hints[f.name]) for f in dataclasses.fields(cls)]
    command = click.Command("c", params=options, callback=lambda **given: made.append(cls(**given)))
    result = CliRunner().invoke(command, arguments)
    return made[0] if made else result


def test_defaults_are_the_fields_own() -> None:
    assert parse(["--count", "3"]) == Everything(3)


def test_every_type_comes_through_as_itself(tmp_path) -> None:
    (tmp_path / "knobs.json").write_text('{"level": 3}', encoding="utf-8")
    words = "--count 3 --level 2 --name x --quick --path there --kind lbm --maybe 1.5 --pair 3 4 --many 5 --many 6"
    result = parse([*words.split(), "--knobs", str(tmp_path / "knobs.json")])
    assert result == Everything(3, 2.0, "x", True, Path("there"), "lbm", 1.5, (3.0, 4.0), (5, 6), Knobs(3))
    assert parse(["--count", "3", "--no-quick", "--knobs", '{"level": 2}']) == Everything(3, knobs=Knobs(2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--count'"),
        (["--count", "many"], "not a valid integer"),
        (["--count", "1", "--kind", "bsa"], "not one of"),
        (["--count", "1", "--knobs", "no-such-file"], "neither JSON nor a file"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message) -> None:
    result = parse(arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_a_field_no_option_can_hold_is_refused() -> None:
    @dataclass(frozen=True)
    class Odd:
        table: dict = field(default_factory=dict)

    with pytest.raises(PhotopeakError, match=r"'table'.*Remedy"):
        option_of(dataclasses.fields(Odd)[0], dict)


def test_describe_says_what_an_entry_is() -> None:
    grid = Grid.planar(("anterior",), (1, 2), (1.0, 1.0))
    values = np.array([[[0, 1]]])
    assert describe(Image(values, grid, "{counts}")) == "image 1×1×2, 0 to 1 {counts}"
    assert describe(Mask(values, grid, {1: "rib"})) == "mask of rib"
    assert describe(Mask(values, grid, {})) == "mask of nothing"
    assert describe(Measurement(0.123456, "1", sd=0.01, region="liver")) == "0.1235 ± 0.01 1 liver"
    assert describe(Text("No metastases.")) == "No metastases."
    assert describe((Measurement(1.0, "MBq"), Measurement(2.0, "MBq"))) == "1 MBq; 2 MBq"
