"""One patient's disease, drawn into one body until each view shows what the plan says.

The order is: the superscan's redistribution where there is one; mimics; then metastases and arthritis, one
candidate after the other, clear of the mimics, each looked at in both views (``visibility``) in the body
without disease. Everything is painted at once, in the end. A candidate is kept where its visible views are
still wanted. One that both views see while only one is wanted is dimmed until only that view sees it; one
that neither sees may be brightened. So the numbers of visible lesions are exactly the plan's, by
construction and not by luck.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from photopeak.core import PhotopeakError
from photopeak.patients.anatomy import Variation
from photopeak.patients.anatomy.variants import draw_variants
from photopeak.patients.arthritis import Joint, arthritis_at, draw_joints, draw_strength
from photopeak.patients.body import Body, Person
from photopeak.patients.difficulty import Difficulty
from photopeak.patients.lesions import Deposit, Lesion, deposit, paint
from photopeak.patients.metastasis import BoneIndex, Habit, draw_metastasis
from photopeak.patients.mimics import draw_mimics
from photopeak.patients.plans import PatientPlan
from photopeak.patients.superscan import superscan
from photopeak.patients.visibility import Footprint, Viewing, footprints

Views = tuple[bool, bool]
CLEAR, BARELY = 1.6, 1.05  # how far above the threshold a lesion must be, at first and when tries run out
TRIES = 14  # candidates for each lesion wanted


@dataclass(frozen=True, eq=False)
class Finding:
    """A lesion in this patient: its voxels, what each view sees of it, and in which views it is annotated.

    ``annotated`` is what counts: visible in that view, and one of the plan's lesions there.
    """

    deposit: Deposit
    seen: tuple[Footprint, Footprint]
    annotated: Views = (False, False)

    @property
    def lesion(self) -> Lesion:
        return self.deposit.lesion

    @property
    def cnr(self) -> tuple[float, float]:
        return self.seen[0].cnr, self.seen[1].cnr

    def scaled(self, factor: float) -> Finding:
        """The same lesion, ``factor`` times as hot, to four digits: no library's last bit reaches the counts."""
        factor = float(f"{factor:.4g}")
        return Finding(self.deposit.scaled(factor), (self.seen[0].scaled(factor), self.seen[1].scaled(factor)))


@dataclass(frozen=True, eq=False)
class Disease:
    """Everything that was added to one healthy body.

    ``findings`` are metastases and arthritis, numbered from 1 on; ``mimics`` the rest; ``body`` is the one
    that is imaged.
    """

    plan: PatientPlan
    findings: tuple[Finding, ...]
    mimics: tuple[Finding, ...]
    body: Body
    skeleton_ml: float
    flare: bool = False

    def annotated(self, kind: str) -> tuple[int, int]:
        """Annotated lesions of one kind in the anterior and the posterior view."""
        rows = [f.annotated for f in self.findings if f.lesion.kind == kind]
        return sum(a for a, _ in rows), sum(p for _, p in rows)


def vary(variation: Variation, person: Person, difficulty: Difficulty, rng: np.random.Generator) -> Variation:
    """The anatomy's normal variants and joint wear, as many and as strong as the difficulty says."""
    kept = [v for v in variation.variants if rng.random() < difficulty.variant_rate]
    more, whole = difficulty.variant_rate - 1.0, 0
    while whole < more:
        extra = draw_variants(rng, person, variation.dominant)
        kept += [
            v for v in extra if rng.random() < more - whole and (v.name, v.side) not in {(k.name, k.side) for k in kept}
        ]
        whole += 1
    return replace(variation, variants=tuple(kept), joint_wear=variation.joint_wear * difficulty.joint_wear_scale)


def draw_disease(
    body: Body,
    plan: PatientPlan,
    difficulty: Difficulty,
    viewing_of: Callable[[Body], Viewing],
    rng: np.random.Generator,
    dominant: str = "right",
    *,
    take_over: bool = False,
) -> Disease:
    """Draw the disease of one plan into a healthy body; ``viewing_of`` places a body before the camera.

    ``take_over`` paints into the given body's own arrays, which saves a copy of them; the healthy body is
    gone then.
    """
    index = BoneIndex.of(body)
    without = superscan(body, rng) if plan.superscan else body
    case = _Case(without, plan, difficulty, viewing_of(without), rng)
    case.mimics = [case.look(m) for m in draw_mimics(without, index, difficulty, rng)]
    habit = Habit.draw(plan.primary, difficulty, rng)
    if plan.label_m:
        case.fill(plan.metastases, lambda _: [draw_metastasis(without, index, habit, rng, 0)])
        hidden = int(rng.poisson(difficulty.occult_rate))
        case.hide([draw_metastasis(without, index, habit, rng, 0) for _ in range(hidden)])
    if plan.label_a:
        case.fill(plan.arthritis, _joints(without, plan, difficulty, dominant, rng))
    findings, mimics = _numbered(case.found), _numbered(case.mimics)
    whole = paint(without, [f.deposit for f in (*mimics, *findings)], take_over=take_over)
    flare = habit.flare and bool(plan.label_m)
    return Disease(plan, findings, mimics, whole, index.volume_ml(body.voxel_mm), flare)


def _numbered(found: list[Finding]) -> tuple[Finding, ...]:
    """Findings with their numbers, from 1 on."""
    return tuple(replace(f, deposit=replace(f.deposit, lesion=replace(f.lesion, id=i))) for i, f in enumerate(found, 1))


def _joints(
    body: Body, plan: PatientPlan, difficulty: Difficulty, dominant: str, rng: np.random.Generator
) -> Callable[[bool], list[Lesion]]:
    """Proposals for arthritis: a joint, and often the same one on the other side.

    Axial joints show in front only where nothing else does; ``late``, half of the proposals are of limbs.
    """
    strength = draw_strength(difficulty, rng)
    mixed = replace(difficulty, arthritis_atypical_share=min(0.5, difficulty.arthritis_atypical_share))

    def propose(late: bool) -> list[Lesion]:
        joints: list[Joint] = draw_joints(plan.sex, dominant, mixed if late else difficulty, rng)
        return [arthritis_at(body, j, strength, difficulty, rng, 0) for j in joints]

    return propose


class _Case:
    """One patient while the disease is being drawn."""

    def __init__(
        self, body: Body, plan: PatientPlan, difficulty: Difficulty, viewing: Viewing, rng: np.random.Generator
    ) -> None:
        self.body = body
        self.plan = plan
        self.threshold = difficulty.visible_cnr
        self.viewing = viewing
        self.rng = rng
        self.found: list[Finding] = []
        self.mimics: list[Finding] = []

    def look(self, lesion: Lesion) -> Finding:
        one = deposit(self.body, lesion, self.rng)
        return Finding(one, footprints(self.body, one, self.viewing))

    def visible(self, one: Finding) -> Views:
        anterior, posterior = one.cnr
        return anterior >= self.threshold, posterior >= self.threshold

    def free(self, lesion: Lesion) -> bool:
        """True where no lesion stands yet: they must be told apart, and a joint is affected once."""
        for other in (*self.mimics, *self.found):
            if other.lesion.kind == "Paget disease":
                if lesion.site == other.lesion.site:
                    return False
                continue
            if lesion.kind == other.lesion.kind == "arthritis" and lesion.site == other.lesion.site:
                return False
            gap = np.array(lesion.centre_mm) - np.array(other.lesion.centre_mm)
            if float(gap @ gap) < (0.8 * (lesion.semi_axes_mm[1] + other.lesion.semi_axes_mm[1]) + 6.0) ** 2:
                return False
        return True

    def fill(self, wanted: tuple[int, int], propose: Callable[[bool], list[Lesion]]) -> None:
        """Draw lesions until each view shows what is wanted.

        ``propose`` is told when tries run out (``late``). Where a pair of joints is proposed and only one
        side is wanted, the other is affected too, but hidden.
        """
        left = list(wanted)
        tries = TRIES * (sum(wanted) + 2)
        for attempt in range(20 * tries):
            if left == [0, 0]:
                return
            late = attempt > tries // 3
            proposed, before = propose(late), len(self.found)
            for lesion in proposed:
                crowded = attempt < 10 * tries and not self.free(lesion)
                one = None if crowded or left == [0, 0] else self.look(lesion)
                one = one and self.fitted(one, (left[0] > 0, left[1] > 0), late)
                if one is not None:
                    self.found.append(one)
                    left = [n - int(a) for n, a in zip(left, one.annotated, strict=True)]
            if before < len(self.found) < before + len(proposed):
                self.hide([m for m in proposed if m.site not in {f.lesion.site for f in self.found[before:]}])
        raise PhotopeakError(
            f"patient {self.plan.index}: {left} (anterior, posterior) of {wanted} lesions find no place where they "
            "are visible. Remedy: plan fewer lesions, or lower the difficulty's visible_cnr."
        )

    def fitted(self, one: Finding, wanted: Views, late: bool) -> Finding | None:
        """The lesion as wanted: visible in wanted views only and in at least one; None where it cannot be.

        When tries run out (``late``), a hidden lesion is brightened and a barely visible one is accepted.
        """
        here = max(c for c, w in zip(one.cnr, wanted, strict=True) if w)
        if here < self.threshold:
            if not late or one.lesion.lytic or here <= 0:
                return None
            one = one.scaled(self.threshold * float(self.rng.uniform(1.1, 1.6)) / here)
        there = max((c for c, w in zip(one.cnr, wanted, strict=True) if not w), default=0.0)
        dimmed = there >= self.threshold
        if dimmed:
            one = one.scaled(self.threshold / BARELY / there)
        seen = self.visible(one)
        strong = max(c for c, w in zip(one.cnr, wanted, strict=True) if w)
        enough = CLEAR if dimmed and not late else BARELY
        if strong < enough * self.threshold or not all(w or not s for s, w in zip(seen, wanted, strict=True)):
            return None
        return replace(one, annotated=seen)

    def hide(self, lesions: list[Lesion]) -> None:
        """Add lesions that no view shows: part of the truth, annotated nowhere."""
        for lesion in lesions:
            if not self.free(lesion):
                continue
            one = self.look(lesion)
            strongest = max(one.cnr)
            aim = self.threshold * float(self.rng.uniform(0.2, 0.85))
            self.found.append(one.scaled(aim / strongest) if strongest > aim else one)
