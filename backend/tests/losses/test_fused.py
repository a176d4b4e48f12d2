"""The fused implementation against the reference, and when which of them is used."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from golden_vectors import GoldenCase, golden_cases, tensors
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_batches import SHAPES, batch, confident_logits, one_hot
from test_golden import LOSSES
from torch import Tensor

from ufseg.losses import SegmentationLoss, create, names, options
from ufseg.losses.fused import blocks

FUSED = [name for name in names() if create(name).has_fused_form] + ["balanced-cross-entropy"]
OPTIONS: dict[str, dict[str, Any]] = {"balanced-cross-entropy": {"beta": 0.3}}
FAMILY = ["asymmetric-unified-focal", "symmetric-unified-focal", "asymmetric-focal", "symmetric-focal"]
FAMILY += ["asymmetric-focal-tversky", "symmetric-focal-tversky", "dice-cross-entropy"]
fused_losses = pytest.mark.parametrize("name", FUSED)


def both(name: str, **settings_: Any) -> tuple[SegmentationLoss, SegmentationLoss]:
    chosen = {**OPTIONS.get(name, {}), **settings_}
    return create(name, implementation="fused", **chosen), create(name, implementation="reference", **chosen)


def value_and_gradient(loss: SegmentationLoss, logits: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
    leaf = logits.detach().requires_grad_()
    value = loss(leaf, *rest)
    (gradient,) = torch.autograd.grad((value * torch.arange(1, value.numel() + 1).reshape(value.shape)).sum(), leaf)
    return value.detach(), gradient


def assert_same(name: str, logits: Tensor, *rest: Tensor, tolerance: float = 1e-11, **settings_: Any) -> None:
    fused, reference = both(name, **settings_)
    value, gradient = value_and_gradient(fused, logits, *rest)
    expected, slope = value_and_gradient(reference, logits, *rest)
    assert value.dtype == expected.dtype
    assert torch.allclose(value, expected, rtol=tolerance, atol=tolerance)
    assert gradient.dtype == logits.dtype
    assert (gradient - slope).abs().max() <= tolerance * max(float(slope.abs().max()), 1e-3)


def test_the_family_and_its_relatives_are_fused() -> None:
    assert set(names()) - set(FUSED) == {"dilated-balanced-cross-entropy"}
    assert not create("balanced-cross-entropy").has_fused_form


@fused_losses
@pytest.mark.parametrize("shape", [*SHAPES, (1, 5, 7), (3, 3, 1, 1, 1)], ids=str)
@pytest.mark.parametrize("entries", [7, 1 << 19])
def test_same_value_and_gradient(name: str, shape: tuple[int, ...], entries: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ENTRIES", entries)
    if shape == (3, 3, 1, 1, 1):
        logits, labels = torch.randn(shape, dtype=torch.float64), torch.tensor([0, 1, 2]).reshape(3, 1, 1, 1)
    else:
        logits, labels = batch(shape)
    weight = torch.rand(labels.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert_same(name, logits, labels)
    assert_same(name, logits, labels, weight)


@fused_losses
@pytest.mark.parametrize(
    "settings_", [{"batch": True}, {"skip_absent": True}, {"reduction": "sum"}, {"reduction": "none"}], ids=str
)
def test_same_with_every_common_option(name: str, settings_: dict[str, Any]) -> None:
    loss = create(name, **OPTIONS.get(name, {}))
    if next(iter(settings_)) not in options(name) or (not loss.has_region and settings_ == {"reduction": "none"}):
        return
    logits, labels = batch((3, 4, 5, 4))
    labels[0][labels[0] == 2] = 0
    assert_same(name, logits, labels, **settings_)
    assert_same(name, logits, labels, torch.rand(3, 1, 5, 4), ignore_index=1, **settings_)


@pytest.mark.parametrize("name", FAMILY)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    classes=st.integers(1, 5),
    space=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    scale=st.sampled_from([0.0, 1.0, 10.0, 300.0]),
    per_class=st.booleans(),
    bound=st.sampled_from([None, 0.0, 1e-3]),
    ignore=st.booleans(),
    numbers=st.data(),
)
def test_same_for_any_parameters(
    name: str,
    seed: int,
    classes: int,
    space: list[int],
    scale: float,
    per_class: bool,
    bound: float | None,
    ignore: bool,
    numbers: st.DataObject,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    count = max(classes, 2)
    logits = scale * torch.randn(2, classes, *space, generator=generator, dtype=torch.float64)
    labels = torch.randint(count, (2, *space), generator=generator).to(torch.uint8)
    if ignore:
        labels[torch.rand(labels.shape, generator=generator) < 0.3] = 255
    settings_: dict[str, Any] = {"ignore_index": 255} if ignore else {}
    if bound == 0 and (scale > 1 or ignore):
        bound = 1e-6  # without a bound the slope of u^e has no limit at u = 0
    for key, (low, high) in {"delta": (0.05, 0.95) if bound == 0 else (0.0, 1.0), "gamma": (0.0, 0.95)}.items():
        if key in options(name):
            one = st.floats(low, high)
            settings_[key] = numbers.draw(st.lists(one, min_size=count, max_size=count) if per_class else one)
    if "bound" in options(name):
        settings_["bound"] = bound
    assert_same(name, logits, labels, tolerance=1e-9, **settings_)


@fused_losses
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2e-5), (torch.bfloat16, 1e-2), (torch.float16, 2e-3)])
@pytest.mark.parametrize("classes", [1, 3])
def test_same_for_all_types_of_logits(name: str, dtype: torch.dtype, tolerance: float, classes: int) -> None:
    logits, labels = batch((2, classes, 6, 5, 4), dtype=torch.float32)
    logits = logits.to(dtype)
    fused, reference = both(name)
    value, gradient = value_and_gradient(fused, logits, labels)
    expected, slope = value_and_gradient(reference, logits, labels)
    assert value.dtype == torch.float32
    assert torch.allclose(value, expected, rtol=2e-6)
    assert gradient.dtype == dtype
    assert (gradient - slope).abs().max() <= tolerance * slope.abs().max()


@fused_losses
def test_same_for_any_memory_layout(name: str) -> None:
    logits, labels = batch((2, 3, 4, 5, 6))
    weight = torch.rand(2, 4, 5, 6, dtype=torch.float64)
    expected = value_and_gradient(both(name)[1], logits, labels, weight)
    layouts = [
        logits.to(memory_format=torch.channels_last_3d),
        logits.transpose(2, 4).contiguous().transpose(2, 4),
        torch.stack([logits, logits], dim=-1)[..., 0],
    ]
    scattered = torch.stack([labels, labels], dim=-1)[..., 1]
    for layout in layouts:
        value, gradient = value_and_gradient(both(name)[0], layout, scattered, weight.transpose(1, 2).transpose(1, 2))
        assert torch.allclose(value, expected[0], rtol=1e-12)
        assert torch.allclose(gradient, expected[1], rtol=1e-9, atol=1e-14)
    together = logits[:1].expand(2, -1, -1, -1, -1)  # one sample twice, in the same memory
    assert_same(name, together, labels)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64, torch.bool])
@pytest.mark.parametrize("name", ["asymmetric-unified-focal", "dice-cross-entropy"])
def test_labels_of_all_types_are_taken(name: str, dtype: torch.dtype) -> None:
    logits, labels = batch((2, 2, 6, 5))
    fused, reference = both(name)
    assert torch.allclose(fused(logits, labels.to(dtype)), reference(logits, labels))


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits_stay_finite(name: str, dtype: torch.dtype) -> None:
    for size in (0.0, 30.0, 1e4, -30.0, -1e4):
        for classes in (1, 3):
            _, labels = batch((2, classes, 6, 5))
            logits = confident_logits(labels, max(classes, 2), size, dtype)[:, -classes:]
            value, gradient = value_and_gradient(both(name)[0], logits, labels)
            assert torch.isfinite(value)
            assert torch.isfinite(gradient).all()


@fused_losses
def test_gradients_add_up_to_zero_over_classes(name: str) -> None:
    logits, labels = batch((2, 4, 5, 6), dtype=torch.float32)
    _, gradient = value_and_gradient(both(name)[0], logits, labels)
    assert gradient.sum(dim=1).abs().max() < 1e-6 * gradient.abs().max() + 1e-9


def test_small_errors_keep_their_digits_with_many_classes() -> None:
    """A softmax rounded to 1 would make them vanish."""
    _, labels = batch((1, 3, 6, 5))
    logits = confident_logits(labels, 3, 12.0)
    for name in ("symmetric-focal", "dice-cross-entropy", "tversky"):
        single, slope = value_and_gradient(both(name, ignore_index=255)[0], logits, labels)
        double, expected = value_and_gradient(both(name, ignore_index=255)[1], logits.double(), labels)
        assert single > 0
        assert single == pytest.approx(float(double), rel=1e-4)
        assert (slope - expected).abs().max() < 1e-4 * expected.abs().max()


GOLDEN = [case for mode in ("head", "head_4d_view", "issue8_mc") for case in golden_cases(mode)]


def through_logits(case: GoldenCase, loss: SegmentationLoss) -> tuple[Tensor, Tensor, Tensor]:
    """Value and gradient for the logits ln p, and the gradient that the recorded one means for them."""
    probabilities, hot, recorded = tensors(case)
    value, gradient = value_and_gradient(loss, probabilities.log(), hot.argmax(dim=1))
    inner = (recorded * probabilities).sum(dim=1, keepdim=True)
    return value, gradient, probabilities * (recorded - inner)


def test_the_authors_values_through_the_fused_passes() -> None:
    """Where probabilities add up to 1 and lie clear of the clip, logits ln p say the same."""
    compared = 0
    for case in GOLDEN:
        probabilities, _, _ = tensors(case)
        if probabilities.min() < 2e-7 or (probabilities.sum(dim=1) - 1).abs().max() > 2e-7:
            continue  # they are float32, made float64
        parity = LOSSES[case.loss](case.params)
        parity.probabilities, parity.clip, parity.implementation = False, None, "fused"
        value, gradient, expected = through_logits(case, parity)
        if case.loss == "dice_coefficient":
            value, gradient = 1 - value, -gradient
        assert value == pytest.approx(case.value, rel=1e-6, abs=1e-12), case.id
        assert (gradient - expected).abs().max() <= 1e-5 * expected.abs().max(), case.id
        compared += 1
    assert compared == 424  # of 636; the others have probabilities of exactly 0 or 1


def test_the_choice_is_automatic_and_told() -> None:
    logits, labels = batch((2, 3, 6, 5))
    loss = create("asymmetric-unified-focal")
    assert loss.obstacle is None
    assert loss.implementation_for(logits, labels) == "fused"
    assert loss.implementation_for(logits, labels, torch.ones(2, 6, 5)) == "fused"
    assert loss.implementation_for(logits, one_hot(labels, 3)) == "reference"
    assert loss.implementation_for(logits, labels, torch.ones(2, 6, 5, requires_grad=True)) == "reference"
    assert loss.implementation_for(logits.to("meta"), labels.to("meta")) == "reference"
    assert create("asymmetric-focal", reduction="none").implementation_for(logits, labels) == "reference"
    assert create("dice", probabilities=True).implementation_for(logits, labels) == "reference"
    assert create("dice", implementation="reference").implementation_for(logits, labels) == "reference"
    assert create("dilated-balanced-cross-entropy").implementation_for(logits, labels) == "reference"


@pytest.mark.parametrize(
    ("name", "settings_", "text"),
    [
        ("dilated-balanced-cross-entropy", {}, "no fused form"),
        ("balanced-cross-entropy", {}, "no fused form"),
        ("dice", {"probabilities": True}, "not probabilities"),
        ("focal", {"reduction": "none"}, "voxels' values"),
    ],
)
def test_fused_where_it_is_impossible_is_refused(name: str, settings_: dict[str, Any], text: str) -> None:
    logits, labels = batch((2, 3, 6, 5))
    with pytest.raises(ValueError, match=text):
        create(name, implementation="fused", **settings_)(logits, labels)


def test_fused_with_tensors_it_cannot_take_is_refused() -> None:
    logits, labels = batch((2, 3, 6, 5))
    loss = create("dice", implementation="fused")
    with pytest.raises(ValueError, match="one-hot"):
        loss(logits, one_hot(labels, 3))
    with pytest.raises(ValueError, match="weight map"):
        loss(logits, labels, torch.ones(2, 6, 5, requires_grad=True))
    with pytest.raises(ValueError, match=r"from 0 to 3.*ignore_index"):
        loss(logits, labels + (labels == 2).long())
    with pytest.raises(ValueError, match=r'implementation must be .* got "?\'?fast'):
        create("dice", implementation="fast")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_tensors_of_monai_are_taken_and_get_their_gradient() -> None:
    meta = pytest.importorskip("monai.data").MetaTensor
    logits, labels = batch((2, 3, 6, 5))
    loss = create("asymmetric-unified-focal", implementation="fused")
    value, gradient = value_and_gradient(loss, logits, labels, torch.ones(2, 6, 5))
    theirs = value_and_gradient(loss, meta(logits), meta(labels.unsqueeze(1)), meta(torch.ones(2, 6, 5)))
    assert torch.equal(theirs[0], value)
    assert torch.equal(torch.as_tensor(theirs[1]), gradient)


def test_an_empty_batch_is_left_to_the_reference() -> None:
    assert create("cross-entropy", reduction="sum")(torch.zeros(0, 3, 4), torch.zeros(0, 4, dtype=torch.uint8)) == 0


def test_second_derivatives_are_refused_and_left_to_the_reference() -> None:
    logits, labels = batch((2, 3, 6, 5))
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(create("dice")(logits, labels), logits, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.square().sum().backward()
    (gradient,) = torch.autograd.grad(
        create("dice", implementation="reference")(logits, labels), logits, create_graph=True
    )
    gradient.square().sum().backward()
    assert logits.grad is not None


def test_the_number_of_threads_matters_only_in_the_last_digits() -> None:
    logits, labels = batch((2, 3, 48, 48, 48), dtype=torch.float32)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(value_and_gradient(create("asymmetric-unified-focal"), logits, labels))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    (first, first_slope), *others = results
    for value, slope in others:
        assert torch.allclose(value, first, rtol=1e-6)
        assert (slope - first_slope).abs().max() <= 1e-5 * first_slope.abs().max()


def test_a_label_without_a_channel_is_refused() -> None:
    logits, labels = batch((2, 3, 9, 8), dtype=torch.float32)
    with pytest.raises(ValueError, match="from 0 to 3"):
        create("dice")(logits, labels + (labels == 2).long())


def test_between_the_passes_nothing_is_kept_but_the_inputs() -> None:
    logits, labels = batch((2, 3, 8, 8, 8), dtype=torch.float32)
    leaf = logits.requires_grad_()
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        create("asymmetric-unified-focal", implementation="fused")(leaf, labels.to(torch.uint8))
    kept.pop(leaf.untyped_storage().data_ptr())
    assert sum(kept.values()) < 2 * 8**3 + 1500  # the uint8 labels and a few sums per class
