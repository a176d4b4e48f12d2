"""Where patches come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from ufseg.plans.plan import Plan
from ufseg.training.cases import IGNORED, PreparedCase
from ufseg.training.sampling import PatchSampler, patches_per_case, repeats_of_new, steps_per_epoch

MakeCase = Callable[..., PreparedCase]


def test_every_step_can_be_drawn_on_its_own(plan: Plan, make_case: MakeCase) -> None:
    cases = [make_case(i) for i in range(3)]
    one, two = (PatchSampler(cases, plan, 4, 0.5, 2.0) for _ in range(2))
    for step in range(5):
        one.places(step)
    for (case, centre), (other, place) in zip(one.places(7), two.places(7), strict=True):
        assert case is other
        np.testing.assert_array_equal(centre, place)


def test_every_case_has_its_turn(plan: Plan, make_case: MakeCase) -> None:
    cases = [make_case(i) for i in range(5)]
    sampler = PatchSampler(cases, plan, 0, 0.5, 0.0)
    seen = Counter(case.id for step in range(5) for case, _ in sampler.places(step))
    # The cases are a little larger than the patch along one axis, hence two patches cover each.
    assert set(seen) == {c.id for c in cases}
    assert max(seen.values()) - min(seen.values()) <= 1


def test_patches_stay_inside_large_cases_and_centred_on_small_ones(plan: Plan, make_case: MakeCase) -> None:
    case = make_case(1, (40, 16, 10))
    sampler = PatchSampler([case], plan, 0, 0.5, 0.0)
    centres = np.array([centre for step in range(40) for _, centre in sampler.places(step)])
    assert centres[:, 0].min() >= 7.5
    assert centres[:, 0].max() <= 31.5
    assert (centres[:, 1] == 7.5).all()
    assert (centres[:, 2] == 4.5).all()


def test_foreground_patches_are_centred_on_every_class(plan: Plan, make_case: MakeCase) -> None:
    case = make_case(2, (60, 60, 60))
    sampler = PatchSampler([case], plan, 0, 1.0, 0.0)
    values = Counter(
        int(case.label[tuple(np.round(centre).astype(int))]) for s in range(50) for _, centre in sampler.places(s)
    )
    assert set(values) == {1, 2}
    assert min(values.values()) > 30


def test_a_case_without_foreground_is_sampled(plan: Plan) -> None:
    empty = PreparedCase.of("empty", np.zeros((1, 30, 30, 30), np.float32), np.zeros((30, 30, 30), np.uint8))
    assert empty.foreground == ()
    assert len(PatchSampler([empty], plan, 0, 1.0, 1.0).places(0)) == plan.batch_size


def test_an_epoch_covers_the_cases_once(plan: Plan, make_case: MakeCase) -> None:
    small, large = make_case(1, (10, 16, 16)), make_case(2, (32, 32, 17))
    assert patches_per_case(small, plan) == 1
    assert patches_per_case(large, plan) == 8
    assert steps_per_epoch([small, large], plan) == 5


def test_patches_lie_on_what_is_annotated_and_reach_beyond_it(plan: Plan) -> None:
    label = np.full((60, 60, 60), IGNORED, np.uint8)
    label[4:40, 20:24, 57:] = 0
    label[30, 22, 58] = 1
    case = PreparedCase.of("partial", np.zeros((1, 60, 60, 60), np.float32), label)
    assert case.annotated == ((4, 40), (20, 24), (57, 60))
    assert len(case.foreground) == 1
    assert patches_per_case(case, plan) == 3
    sampler = PatchSampler([case], plan, 0, 0.3, 0.0)
    centres = np.array([centre for step in range(60) for _, centre in sampler.places(step)])
    assert centres[:, 0].min() >= 11.5
    assert centres[:, 0].max() <= 31.5
    assert (centres[:, 1] == 21.5).all()
    # The image ends there: the patch stays inside it and still holds what is annotated.
    assert (centres[:, 2] == 51.5).all()


def test_new_cases_come_more_often_and_earlier_ones_never_stay_away(plan: Plan, make_case: MakeCase) -> None:
    shape = (16, 16, 16)
    cases = [make_case(i, shape) for i in range(12)]
    new = {"case10", "case11"}
    sampler = PatchSampler(cases, plan, 0, 0.5, 0.0, new=new)
    turn = 10 + 2 * 3  # one patch of each earlier case, three of each new one
    seen = Counter(case.id for step in range(turn // 2) for case, _ in sampler.places(step))
    assert all(seen[case.id] == (3 if case.id in new else 1) for case in cases)
    sliced = [PreparedCase.of(f"{c.id}#{k}", c.image, c.label) for c in cases for k in range(2)]
    first_turn = PatchSampler(sliced, plan, 0, 0.5, 0.0, new=new)
    seen = Counter(case.id for step in range(turn) for case, _ in first_turn.places(step))
    assert seen["case10#1"] == 3
    assert seen["case3#0"] == 1


@pytest.mark.parametrize(
    ("new", "earlier", "repeats"), [(0, 10, 1), (5, 0, 1), (5, 4, 1), (5, 10, 2), (1, 2, 2), (1, 100, 3)]
)
def test_how_often_new_cases_come_is_bounded(new: int, earlier: int, repeats: int) -> None:
    assert repeats_of_new(new, earlier) == repeats


def test_processes_share_the_cases_of_one_turn(plan: Plan, make_case: MakeCase) -> None:
    cases = [make_case(i, (16, 16, 16)) for i in range(8)]
    seen = Counter(
        case.id
        for rank in range(2)
        for step in range(2)
        for case, _ in PatchSampler(cases, plan, 0, 0.5, 0.0, rank=rank, ranks=2).places(step)
    )
    assert seen == Counter({case.id: 1 for case in cases})
    assert steps_per_epoch(cases, plan, ranks=2) == 2
