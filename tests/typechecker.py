"""The checker of types that every function of ours is wrapped in while tests run (see conftest.py)."""

from beartype import BeartypeConf, FrozenDict, beartype
from numpy.typing import ArrayLike

#: An int may stand for a float, as everywhere in Python; and numpy's ArrayLike, whose runtime protocols refuse
#: even a tuple of numbers, is left to mypy.
CONF = BeartypeConf(is_pep484_tower=True, hint_overrides=FrozenDict({ArrayLike: object}))

checked = beartype(conf=CONF)
