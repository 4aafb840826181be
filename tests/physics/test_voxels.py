"""Which volumes a camera takes."""

import pytest

from photopeak.core import Grid, PhotopeakError
from photopeak.core.grid import scaling
from photopeak.physics.voxels import voxel_mm


def test_cubes_along_the_patients_axes():
    assert voxel_mm(Grid.volume((2, 3, 4), scaling((4.0, 4.0, 4.0), (-5.0, 2.0, 9.0)))) == 4.0


@pytest.mark.parametrize("spacing", [(4.0, 4.0, 5.0), (-4.0, -4.0, -4.0)])
def test_others_are_refused(spacing):
    with pytest.raises(PhotopeakError, match="cubic voxels"):
        voxel_mm(Grid.volume((2, 3, 4), scaling(spacing)))
