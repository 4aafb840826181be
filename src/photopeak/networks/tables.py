"""Tables 3 and 7 of :cite:`lin2021dspic` as data: what each network is made of, layer by layer.

>>> DESIGNS["dspic-am"].layers[0]
Conv(kernel=11, channels=96, padding=2, stride=4)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Word = Literal["pool", "attention", "residual"]


class Conv(NamedTuple):
    """k × k, channels, P, S as the tables write them; a ReLU follows."""

    kernel: int
    channels: int
    padding: int
    stride: int = 1


@dataclass(frozen=True)
class Design:
    """The convolutional part, and the width of the two fully connected layers before the last."""

    layers: tuple[Conv | Word, ...]
    hidden: int


def _dspic(added: Word) -> Design:
    """Table 3."""
    last = (Conv(3, 384, 3), Conv(3, 384, 3), Conv(3, 256, 1))
    return Design((Conv(11, 96, 2, 4), "pool", added, Conv(5, 256, 2), "pool", *last), hidden=4096)


def _si_clf(first: tuple[Word, ...] = (), second: tuple[Word, ...] = ()) -> Design:
    """Table 7: ``first`` stands after the first pooling, ``second`` after the fifth convolution."""
    last = (Conv(5, 128, 3), Conv(3, 256, 3), Conv(3, 256, 1))
    layers = (Conv(11, 64, 2, 4), "pool", *first, Conv(7, 128, 2), "pool", *last, *second, "pool")
    return Design(layers, hidden=1024)


#: name → design. The AlexNet of Table 7 has four convolutions, not five.
DESIGNS: dict[str, Design] = {
    "dspic-am": _dspic("attention"),
    "dspic-rm": _dspic("residual"),
    "si-clf": _si_clf(),
    "si-clf-am": _si_clf(("attention",), ("attention",)),
    "si-clf-rm": _si_clf(("residual",)),
    "si-clf-am-rm": _si_clf(("residual", "attention"), ("attention",)),
    "alexnet": Design(
        (Conv(11, 64, 2, 4), "pool", Conv(5, 256, 2), "pool", Conv(3, 384, 3), Conv(3, 384, 3)), hidden=1024
    ),
}
