import pytest

from ufseg import losses
from ufseg.comparison.entrants import PAPER_LOSSES, PAPER_OPTIONS, entrants, reference_of, sweep
from ufseg.errors import InputError


def test_the_catalogue_takes_part_as_a_whole_or_as_in_the_paper() -> None:
    assert [e.loss for e in entrants(["all"])] == losses.names()
    assert [e.loss for e in entrants(["paper"])] == list(PAPER_LOSSES)


def test_options_are_the_paper_s_unless_given() -> None:
    usual, changed = entrants(["focal", "focal:gamma=1"])
    assert usual.options == {"alpha": 0.25, "gamma": 2.0}
    assert changed.options == {"alpha": 0.25, "gamma": 1.0}
    assert usual.label == "focal"
    assert changed.label == "focal:gamma=1"
    assert usual.folder != changed.folder


@pytest.mark.parametrize("name", PAPER_OPTIONS)
def test_the_paper_s_options_make_losses(name: str) -> None:
    losses.create(name, **PAPER_OPTIONS[name])


@pytest.mark.parametrize(
    ("texts", "match"),
    [
        (["dise"], "There is no loss 'dise'"),
        (["dice:gamma=1"], "no option 'gamma'"),
        (["focal:gamma=high"], "OPTION=NUMBER"),
        (["focal:gamma=-1"], "gamma"),
        (["dice", "dice"], "named more than once"),
        (["paper", "dice"], "named more than once"),
        ([], "No loss was named"),
    ],
)
def test_what_cannot_take_part_is_named(texts: list[str], match: str) -> None:
    with pytest.raises(InputError, match=match):
        entrants(texts)


def test_sweep() -> None:
    found = sweep([0.1, 0.9])
    assert [(e.label, e.options["gamma"]) for e in found] == [("gamma 0.1", 0.1), ("gamma 0.9", 0.9)]
    assert all(e.options["delta"] == 0.6 for e in found)
    with pytest.raises(InputError, match="gamma"):
        sweep([1.5])
    with pytest.raises(InputError, match="more than once"):
        sweep([0.5, 0.5])


def test_the_others_are_tested_against_the_asymmetric_unified_focal_loss() -> None:
    assert reference_of(entrants(["paper"])).label == "asymmetric-unified-focal"
    both = entrants(["asymmetric-unified-focal:gamma=0.2", "asymmetric-unified-focal"])
    assert reference_of(both).label == "asymmetric-unified-focal"
    assert reference_of(both[:1]).label == "asymmetric-unified-focal:gamma=0.2"
    assert reference_of(entrants(["dice", "focal"])).label == "dice"
    assert reference_of(sweep([0.3, 0.5])).label == "gamma 0.5"
