"""Kernels of the planar camera: rays through the body, then Gaussian bands onto the detector.

The forward model has two stages, both linear. ``project`` walks every ray from each detector through μ
and lays the attenuated activity of each depth onto two neighbouring *nodes*, planes that stand for one
width of blur each. ``blur`` carries every node onto the detector's pixels by a separable band matrix.
``back_blur`` and ``back_project`` are their exact transposes. Only one thread works, in a fixed order.
Bands, pixels and depths arrive as the named tuples of ``planar_geometry``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from photopeak.physics.elementary_kernels import exp, half_transmission
from photopeak.physics.engines import Array, kernel

_LANES = 16  # rows that are blurred side by side along x


@kernel
def is_empty(row: Array) -> bool:
    """True where every bit of a row is zero; whole numbers, so that the loop vectorises."""
    seen = np.int32(0)
    for i in range(row.size):
        seen |= row[i]
    return bool(seen == 0)


@kernel
def _pass(through: Array, half: Array) -> None:
    for i in range(half.size):
        through[i] *= half[i]


@kernel
def _lay(activity: Array, through: Array, lower: Array, upper: Array, share: float) -> None:
    """Lay one row of attenuated activity onto the two nodes beside its depth."""
    rest = np.float32(1.0) - share
    for i in range(activity.size):
        seen = activity[i] * through[i]
        lower[i] += share * seen
        upper[i] += rest * seen


@kernel
def _scan_slice(activity: Array, mu: Array, length_cm: float, half: Array, shines: Array, absorbs: Array) -> None:
    """For one slice: which rows hold anything, and each row's half-voxel transmission."""
    for y in range(mu.shape[0]):
        shines[y] = not is_empty(activity[y].view(np.int32))
        absorbs[y] = not is_empty(mu[y].view(np.int32))
        if absorbs[y]:
            half_transmission(mu[y], length_cm, half[y])


@kernel
def project(activity: Array, mu: Array, voxel_mm: float, depths: Any, views: Array, nodes: Array) -> None:
    """Attenuated activity on the blur nodes of each view, nodes[i, k, z, x] += for view views[i] (in place).

    View 0 sees the body from y = 0 upwards (anterior), view 1 from the last y downwards (posterior).
    ``depths.node[view, y]`` is the nearer node of plane y, ``share`` what it takes; the next takes the rest.
    """
    depth, width = activity.shape[1], activity.shape[2]
    length_cm = voxel_mm * 0.1
    half = np.ones((depth, width), np.float32)
    shines, absorbs = np.zeros(depth, np.bool_), np.zeros(depth, np.bool_)
    through = np.ones(width, np.float32)
    for z in range(activity.shape[0]):
        _scan_slice(activity[z], mu[z], length_cm, half, shines, absorbs)
        if not shines.any():
            continue
        for i in range(views.size):
            view = views[i]
            through[:] = 1.0
            for step in range(depth):
                y = step if view == 0 else depth - 1 - step
                if absorbs[y]:
                    _pass(through, half[y])
                if shines[y]:
                    k = depths.node[view, y]
                    _lay(activity[z, y], through, nodes[i, k, z], nodes[i, k + 1, z], depths.share[view, y])
                if absorbs[y]:
                    _pass(through, half[y])


@kernel
def _gather(activity: Array, through: Array, lower: Array, upper: Array, share: float) -> None:
    """The transpose of ``_lay``: collect one row from the two nodes beside its depth."""
    rest = np.float32(1.0) - share
    for i in range(activity.size):
        activity[i] += through[i] * (share * lower[i] + rest * upper[i])


@kernel
def back_project(activity: Array, mu: Array, voxel_mm: float, depths: Any, views: Array, nodes: Array) -> None:
    """The transpose of ``project``: activity[z, y, x] += what every ray would have taken from it (in place)."""
    depth, width = activity.shape[1], activity.shape[2]
    half, through = np.ones(width, np.float32), np.ones(width, np.float32)
    for z in range(activity.shape[0]):
        for i in range(views.size):
            view = views[i]
            through[:] = 1.0
            for step in range(depth):
                y = step if view == 0 else depth - 1 - step
                half_transmission(mu[z, y], voxel_mm * 0.1, half)
                _pass(through, half)
                k = depths.node[view, y]
                _gather(activity[z, y], through, nodes[i, k, z], nodes[i, k + 1, z], depths.share[view, y])
                _pass(through, half)


@kernel
def gaussian_band(centres: Array, pixels: Any, sigma_mm: float, share: float, start: Array, weight: Array) -> None:
    """Weights that spread a point at each centre over pixels, Σ over all pixels = share for each centre.

    Pixel r is centred at first + r·pitch (pitch may be negative) and integrates over its width, which
    adds pitch²/12 to the variance. Pixels beyond the image keep their share, so that counts that fall
    outside are lost and not squeezed in. ``weight[i, j]`` belongs to pixel start[i] + j.
    """
    first_mm, pitch_mm, n_out = pixels.first_mm, pixels.pitch_mm, pixels.number
    variance = sigma_mm * sigma_mm + pitch_mm * pitch_mm / 12.0
    taps = weight.shape[1]
    reach = taps // 2
    bell = np.empty(reach + 1)
    for j in range(reach + 1):
        bell[j] = exp(-0.5 * (j * pitch_mm) ** 2 / variance)
    for i in range(centres.size):
        position = (centres[i] - first_mm) / pitch_mm
        nearest = int(np.floor(position + 0.5))
        # e^{−(jp − d)²/2σ²} = e^{−d²/2σ²} e^{−(jp)²/2σ²} (e^{dp/σ²})^j, and the first factor cancels
        up = exp((position - nearest) * pitch_mm * pitch_mm / variance)
        down, above, below, total = 1.0 / up, 1.0, 1.0, 1.0
        weight[i, reach] = 1.0
        for j in range(1, reach + 1):
            above *= up
            below *= down
            weight[i, reach + j] = bell[j] * above
            weight[i, reach - j] = bell[j] * below
            total += bell[j] * (above + below)
        start[i] = nearest - reach
        for j in range(taps):
            weight[i, j] = weight[i, j] * (share / total) if 0 <= start[i] + j < n_out else 0.0


@kernel
def _spread_columns(rows: Array, start: Array, weight: Array, taps: int, tile: Array, spread: Array) -> None:
    """Blur up to 16 rows along x at once, side by side so that the inner loop is a vector of rows."""
    n_rows, n_in = rows.shape
    n_out = spread.shape[0]
    for j in range(n_rows):
        for i in range(n_in):
            tile[i, j] = rows[j, i]
    spread[:] = 0.0
    for i in range(n_in):
        for j in range(max(0, -start[i]), min(taps, n_out - start[i])):
            w = weight[i, j]
            into = spread[start[i] + j]
            source = tile[i]
            for lane in range(_LANES):
                into[lane] += w * source[lane]


@kernel
def _spread_row(row: Array, start: int, weight: Array, taps: int, image: Array) -> None:
    """Add one row, blurred along z, to the image's rows."""
    for j in range(max(0, -start), min(taps, image.shape[0] - start)):
        w = weight[j]
        into = image[start + j]
        for c in range(row.size):
            into[c] += w * row[c]


@kernel
def blur(nodes: Array, z_bands: Any, x_bands: Any, image: Array) -> None:
    """image[r, c] += Σ_k Σ_z Σ_x Z_k[r, z] nodes[k, z, x] X_k[c, x] (in place)."""
    n_nodes, n_z, n_x = nodes.shape
    columns = image.shape[1]
    z_start, z_weight, taps = z_bands.start, z_bands.weight, z_bands.taps
    tile = np.zeros((n_x, _LANES), np.float32)
    spread = np.zeros((columns, _LANES), np.float32)
    row = np.empty(columns, np.float32)
    bits = nodes.view(np.int32)
    for first in range(0, n_z, _LANES):
        last = min(first + _LANES, n_z)
        for k in range(n_nodes):
            if is_empty(bits[k, first:last].reshape(-1)):
                continue
            _spread_columns(nodes[k, first:last], x_bands.start[k], x_bands.weight[k], taps[k], tile, spread)
            for z in range(first, last):
                for c in range(columns):
                    row[c] = spread[c, z - first]
                _spread_row(row, z_start[k, z], z_weight[k, z], taps[k], image)


@kernel
def back_blur(nodes: Array, z_bands: Any, x_bands: Any, image: Array) -> None:
    """The transpose of ``blur``: nodes[k, z, x] += Σ_r Σ_c Z_k[r, z] X_k[c, x] image[r, c] (in place)."""
    n_nodes, n_z, n_x = nodes.shape
    n_rows, columns = image.shape
    z_start, z_weight, taps = z_bands.start, z_bands.weight, z_bands.taps
    x_start, x_weight = x_bands.start, x_bands.weight
    row = np.empty(columns, np.float32)
    for k in range(n_nodes):
        for z in range(n_z):
            row[:] = 0.0
            first = z_start[k, z]
            for j in range(max(0, -first), min(taps[k], n_rows - first)):
                row += z_weight[k, z, j] * image[first + j]
            for x in range(n_x):
                first = x_start[k, x]
                total = np.float32(0.0)
                for j in range(max(0, -first), min(taps[k], columns - first)):
                    total += x_weight[k, x, j] * row[first + j]
                nodes[k, z, x] += total


@kernel
def flatten(nodes: Array, flat: Array) -> None:
    """Sum the nodes over depth (in place)."""
    for k in range(nodes.shape[0]):
        for z in range(nodes.shape[1]):
            source, into = nodes[k, z], flat[z]
            for x in range(source.size):
                into[x] += source[x]


@kernel
def _follow_runs(contribution: Array, label: Array, run: Array, current: Array, best: Array, winner: Array) -> None:
    """Add one row to each ray's run of one label; keep the greatest run so far and whose it is."""
    for i in range(label.size):
        # Everything is loaded before anything is chosen: choices between registers become vector blends.
        name, held, before, most, leader = label[i], current[i], run[i], best[i], winner[i]
        total = (before if name == held else np.float32(0.0)) + contribution[i]
        run[i] = total
        current[i] = name
        best[i] = max(total, most)
        winner[i] = name if total > most else leader


@kernel
def project_labels(activity: Array, mu: Array, label: Array, voxel_mm: float, seen: Array) -> None:
    """seen[view, z, x] = the label whose greatest unbroken stretch sends most attenuated activity to the view.

    A label that a ray crosses twice counts by its greater crossing; 0 is a label like any other.
    """
    depth, width = activity.shape[1], activity.shape[2]
    half = np.ones((depth, width), np.float32)
    shines, absorbs = np.zeros(depth, np.bool_), np.zeros(depth, np.bool_)
    through, contribution = np.ones(width, np.float32), np.empty(width, np.float32)
    run, best = np.zeros(width, np.float32), np.zeros(width, np.float32)
    # int32 beside float32: lanes of one width, so that the comparison becomes a vector
    names, current, winner = np.zeros(width, np.int32), np.zeros(width, np.int32), np.zeros(width, np.int32)
    for z in range(activity.shape[0]):
        _scan_slice(activity[z], mu[z], voxel_mm * 0.1, half, shines, absorbs)
        for view in range(2):
            through[:], run[:], best[:], current[:], winner[:] = 1.0, 0.0, 0.0, 0, 0
            for step in range(depth):
                y = step if view == 0 else depth - 1 - step
                if absorbs[y]:
                    _pass(through, half[y])
                if shines[y]:
                    contribution[:] = activity[z, y] * through
                    names[:] = label[z, y]
                    _follow_runs(contribution, names, run, current, best, winner)
                if absorbs[y]:
                    _pass(through, half[y])
            seen[view, z] = winner


@kernel
def transmission_at(mu: Array, voxel_mm: float, points: Array, out: Array) -> None:
    """out[view, n] = share of photons from the centre of voxel points[n] = (z, y, x) that reaches each view."""
    for n in range(points.shape[0]):
        z, y, x = points[n]
        before, behind = 0.5 * mu[z, y, x], 0.5 * mu[z, y, x]
        for i in range(y):
            before += mu[z, i, x]
        for i in range(y + 1, mu.shape[1]):
            behind += mu[z, i, x]
        out[0, n] = exp(-0.1 * voxel_mm * before)
        out[1, n] = exp(-0.1 * voxel_mm * behind)


@kernel
def lose_to_dead_time(image: Array, rows_in_view: int, tau_per_count: float, paralysable: bool) -> None:
    """Multiply every row by the mean live share over the positions at which the detector covers it (in place).

    Position p covers rows p − n + 1 to p; its load is nτ = τ/T Σ counts, with ``tau_per_count`` = τ/T.
    """
    n_rows = image.shape[0]
    row = np.empty(n_rows)
    for r in range(n_rows):
        total = 0.0
        for c in range(image.shape[1]):
            total += image[r, c]
        row[r] = total
    live = np.empty(n_rows + rows_in_view - 1)
    for p in range(live.size):
        load = 0.0
        for r in range(max(0, p - rows_in_view + 1), min(n_rows, p + 1)):
            load += row[r]
        load *= tau_per_count
        live[p] = exp(-load) if paralysable else 1.0 / (1.0 + load)
    for r in range(n_rows):
        mean = 0.0
        for p in range(r, r + rows_in_view):
            mean += live[p]
        mean /= rows_in_view
        for c in range(image.shape[1]):
            image[r, c] *= np.float32(mean)


@kernel
def scattering_tissue(mu: Array, length_cm: float, full_path: float, weight: Array) -> None:
    """(1 − e^{−T}) / (1 − e^{−full_path}) of the path T = Σ_y μ l through each column (z, x)."""
    whole = 1.0 - exp(-full_path)
    path = np.zeros(mu.shape[2], np.float32)
    for z in range(mu.shape[0]):
        path[:] = 0.0
        for y in range(mu.shape[1]):
            row = mu[z, y]
            for x in range(path.size):
                path[x] += row[x]
        for x in range(path.size):
            if path[x] > 0:
                weight[z, x] = (1.0 - exp(-path[x] * length_cm)) / whole
