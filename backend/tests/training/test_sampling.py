"""Where patches come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from ufseg.plans.plan import Plan
from ufseg.training.prepare import PreparedCase
from ufseg.training.sampling import PatchSampler, patches_per_case, steps_per_epoch

MakeCase = Callable[..., PreparedCase]


def test_every_step_can_be_drawn_on_its_own(plan: Plan, make_case: MakeCase) -> None:
    cases = [make_case(i) for i in range(3)]
    one, two = (PatchSampler(cases, plan, 4, 0.5, 2.0) for _ in range(2))
    for step in range(5):
        one.centres(step)
    for (case, centre), (other, place) in zip(one.centres(7), two.centres(7), strict=True):
        assert case is other
        np.testing.assert_array_equal(centre, place)


def test_every_case_has_its_turn(plan: Plan, make_case: MakeCase) -> None:
    cases = [make_case(i) for i in range(5)]
    sampler = PatchSampler(cases, plan, 0, 0.5, 0.0)
    seen = Counter(case.id for step in range(5) for case, _ in sampler.centres(step))
    # The cases are a little larger than the patch along one axis, hence two patches cover each.
    assert set(seen) == {c.id for c in cases}
    assert max(seen.values()) - min(seen.values()) <= 1


def test_patches_stay_inside_large_cases_and_centred_on_small_ones(plan: Plan, make_case: MakeCase) -> None:
    case = make_case(1, (40, 16, 10))
    sampler = PatchSampler([case], plan, 0, 0.5, 0.0)
    centres = np.array([centre for step in range(40) for _, centre in sampler.centres(step)])
    assert centres[:, 0].min() >= 7.5
    assert centres[:, 0].max() <= 31.5
    assert (centres[:, 1] == 7.5).all()
    assert (centres[:, 2] == 4.5).all()


def test_foreground_patches_are_centred_on_every_class(plan: Plan, make_case: MakeCase) -> None:
    case = make_case(2, (60, 60, 60))
    sampler = PatchSampler([case], plan, 0, 1.0, 0.0)
    values = Counter(
        int(case.label[tuple(np.round(centre).astype(int))]) for s in range(50) for _, centre in sampler.centres(s)
    )
    assert set(values) == {1, 2}
    assert min(values.values()) > 30


def test_a_case_without_foreground_is_sampled(plan: Plan) -> None:
    empty = PreparedCase.of("empty", np.zeros((1, 30, 30, 30), np.float32), np.zeros((30, 30, 30), np.uint8))
    assert empty.foreground == ()
    assert len(PatchSampler([empty], plan, 0, 1.0, 1.0).centres(0)) == plan.batch_size


def test_an_epoch_covers_the_cases_once(plan: Plan, make_case: MakeCase) -> None:
    small, large = make_case(1, (10, 16, 16)), make_case(2, (32, 32, 17))
    assert patches_per_case(small, plan) == 1
    assert patches_per_case(large, plan) == 8
    assert steps_per_epoch([small, large], plan) == 5
