"""Posture: where every point of the reference lies in one body on the table."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray

from photopeak.core import PhotopeakError
from photopeak.patients.anatomy.curves import Array, rotation
from photopeak.patients.anatomy.scaling import Scaling
from photopeak.patients.anatomy.shape import NO_SHAPE, Shape
from photopeak.patients.anatomy.skeleton import GROUPS, SIDES

Flags = NDArray[np.bool_]
Whole = NDArray[np.int_]


def _table(*groups: str) -> Flags:
    """True at the numbers of the given groups: ``TABLE[group]`` costs less than ``np.isin``."""
    return np.isin(np.arange(len(GROUPS)), [GROUPS.index(name) for name in groups])


FOOT, FINGER, HEAD, SCAPULA = (_table(name) for name in ("foot", "finger", "head", "scapula"))
FINGERS_UP = (_table("finger", "hand"), _table("finger", "hand", "fore"), _table("finger", "hand", "fore", "arm"))
PELVIS = _table("pelvis")
LEG, GIRDLE = _table("leg", "foot"), _table("shoulder", "scapula")
UPRIGHT = _table("trunk", "spine", "chest", "shoulder", "scapula", "head")


@dataclass(frozen=True)
class Limbs:
    """Angles of one side in degrees, and how far its shoulder is raised in mm."""

    arm_abd: float = 3.0
    fore_add: float = 2.0
    hand_ulnar: float = -10.0
    hand_roll: float = 45.0
    finger_curl: float = 50.0
    leg_ext_rot: float = 32.0
    leg_abd: float = -1.0
    plantar: float = 26.0
    shoulder_lift: float = 0.0
    elbow_flex: float = 0.0
    scapula_turn: float = 0.0
    scapula_swing: float = 0.0


@dataclass(frozen=True)
class Pose:
    """Posture of the whole body; angles in degrees, ``kyphosis`` and ``scoliosis`` in mm."""

    left: Limbs = field(default_factory=Limbs)
    right: Limbs = field(default_factory=Limbs)
    kyphosis: float = 0.0
    scoliosis: float = 0.0
    head_tilt: float = 0.0
    head_turn: float = 0.0
    head_nod: float = 0.0
    roll: float = 0.0
    tilt: float = 0.0
    pelvis_tilt: float = 0.0
    pelvis_turn: float = 0.0


class Posed:
    """Takes reference coordinates into one posed body.

    The order is: the person's own shape; scale; foot; leg; fingers, hand, forearm, arm; shoulder; head; curvature
    of the spine; roll and tilt of the whole. The right side is posed as a left one with its own angles, then mirrored.
    """

    def __init__(self, scaling: Scaling, pose: Pose, shape: Shape = NO_SHAPE) -> None:
        self.scaling = scaling
        self.shape = shape
        self.pose = pose
        self._pivot = {name: scaling.pivot(name) for name in ("arm", "fore", "hand", "finger", "leg", "foot", "head")}
        self._pivot["pelvis"] = scaling(np.array([[0.0, 20.0, 960.0]]), np.array([GROUPS.index("pelvis")]))[0]
        self._whole = rotation((0.0, pose.tilt, pose.roll))
        self._centre = np.array([0.0, 0.0, 900.0 * scaling.f])

    def place(self, points_mm: ArrayLike, group: str, side: str = "") -> Float[np.ndarray, "n 3"]:
        """Where neutral reference points of one kinematic ``group`` lie in this body.

        ``side`` is "left", "right" or "" (midline); points of a paired structure are given for the left.
        """
        if group not in GROUPS or side not in SIDES:
            raise PhotopeakError(
                f"no group {group!r} on side {side!r}. Groups: {', '.join(GROUPS)}; sides: left, right."
            )
        points = np.atleast_2d(np.asarray(points_mm, dtype=np.float64))
        count = len(points)
        return self.transform(points, np.full(count, GROUPS.index(group)), np.full(count, SIDES[side]))

    def ellipsoid(
        self, centre_mm: ArrayLike, semi_axes_mm: ArrayLike, group: str, side: str = ""
    ) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3 3"]]:
        """Centre, and the three semi-axes as columns, of a reference ellipsoid in this body."""
        centre = np.asarray(centre_mm, dtype=np.float64)
        placed = self.place(
            np.vstack([centre, centre + np.diag(np.asarray(semi_axes_mm, dtype=np.float64))]), group, side
        )
        return placed[0], (placed[1:] - placed[0]).T

    def transform(
        self, points_mm: Float[np.ndarray, "n 3"], group: Int[np.ndarray, "n"], side: Int[np.ndarray, "n"]
    ) -> Float[np.ndarray, "n 3"]:
        """The same for many points, each with its group's number and its side (+1 left, 0, −1 right)."""
        out = self.scaling(self.shape.displaced(points_mm, side), group)
        for mirror, limbs in ((1, self.pose.left), (-1, self.pose.right)):
            self._limbs(out, group, side == mirror, limbs)
        out[:, 0] *= np.where(side < 0, -1.0, 1.0)
        self._turn(out, PELVIS[group], "pelvis", (0, self.pose.pelvis_tilt, self.pose.pelvis_turn))
        self._head(out, group)
        self._spine(out, group)
        return np.asarray((out - self._centre) @ self._whole.T + self._centre)

    def _turn(self, out: Array, mask: Flags, pivot: str, *turns: tuple[float, float, float]) -> None:
        if mask.any():
            matrix = np.eye(3)
            for turn in turns:
                matrix = rotation(turn) @ matrix
            out[mask] = (out[mask] - self._pivot[pivot]) @ matrix.T + self._pivot[pivot]

    def _limbs(self, out: Array, group: Whole, here: Flags, a: Limbs) -> None:
        leg, (hand, fore, arm) = here & LEG[group], (here & table[group] for table in FINGERS_UP)
        self._turn(out, here & FOOT[group], "foot", (a.plantar, 0, 0))
        self._rotate_leg(out, leg, group, a.leg_ext_rot)
        self._turn(out, leg, "leg", (0, -a.leg_abd, 0))
        self._turn(out, here & FINGER[group], "finger", (-a.finger_curl, 0, 0))
        self._turn(out, hand, "hand", (0, 0, -a.hand_roll), (0, -a.hand_ulnar, 0))
        self._turn(out, fore, "fore", (-a.elbow_flex, 0, 0), (0, a.fore_add, 0))
        self._turn(out, arm, "arm", (0, -a.arm_abd, 0))
        self._turn(out, here & SCAPULA[group], "arm", (0, 0, a.scapula_swing), (0, a.scapula_turn, 0))
        girdle = here & GIRDLE[group]
        out[arm, 2] += a.shoulder_lift
        out[girdle, 2] += a.shoulder_lift * np.clip(out[girdle, 0] / 150, 0, 1)

    def _rotate_leg(self, out: Array, mask: Flags, group: Whole, degrees: float) -> None:
        """Toes outwards about the line from hip to ankle, fading out above the neck of the femur."""
        if not mask.any():
            return
        p, hip, foot = out[mask], self._pivot["leg"], self._pivot["foot"]
        down = (hip[2] - p[:, 2]) / (hip[2] - foot[2])
        axis = hip[:2] + down[:, None] * (foot[:2] - hip[:2])
        fade = np.where(FOOT[group[mask]], 1.0, np.clip((hip[2] + 30 - p[:, 2]) / 60, 0, 1))
        angle = np.radians(degrees) * fade
        x, y = (p[:, :2] - axis).T
        p[:, 0] = axis[:, 0] + x * np.cos(angle) - y * np.sin(angle)
        p[:, 1] = axis[:, 1] + x * np.sin(angle) + y * np.cos(angle)
        out[mask] = p

    def _head(self, out: Array, group: Whole) -> None:
        pose = self.pose
        turns = ((pose.head_nod, 0.0, 0.0), (0.0, pose.head_tilt, 0.0), (0.0, 0.0, pose.head_turn))
        self._turn(out, HEAD[group], "head", *turns)

    def _spine(self, out: Array, group: Whole) -> None:
        """Curves x += A sin(π t), y += K (…): with the arms each carried whole by its shoulder."""
        up, arm = UPRIGHT[group], FINGERS_UP[2][group]
        shoulder = self._pivot["arm"][2]
        z = np.where(arm, shoulder, np.where(HEAD[group], self._pivot["head"][2], out[:, 2])) / self.scaling.f
        bend = self.pose.scoliosis * np.sin(np.pi * np.clip((z - 1040) / 420, 0, 1))
        hunch = np.exp(-(((z - 1350) / 110) ** 2)) - 1.2 * np.clip((z - 1470) / 100, 0, 1)
        moved = up | arm
        out[moved, 0] += bend[moved]
        out[moved, 1] += self.pose.kyphosis * hunch[moved]
