"""Does any test notice? Faults are put into the losses one by one, and the tests of the losses run on each.

Works on a copy of the package, with the tests that import nothing else. A fault that no test notices "survived".

    python benchmarks/mutations.py
    python benchmarks/mutations.py --only 3 17 --markdown results/mutations.md
"""

# ruff: noqa: E501 - one fault per line

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

BACKEND = Path(__file__).resolve().parents[1]
QUICK = ["test_fused.py", "test_fused_compiled.py", "test_fused_triton.py", "test_identities.py"]
"""Tests that notice most faults; the others run only if these do not."""
SLOW = "not test_short_training"


class Mutation(NamedTuple):
    """`old` becomes `new` at its only place in `file` (below ufseg/losses)."""

    what: str
    file: str
    old: str
    new: str


MUTATIONS = [
    # the reference
    Mutation("sign of the focal sum flipped", "focal_family.py", "values = -sample.log_p", "values = sample.log_p"),
    Mutation("focal factor left out", "focal_family.py", "values = values * factor", "values = values * 1"),
    Mutation("class weights left out", "focal_family.py", "if weights is not None:\n            values", "if weights == ():\n            values"),
    Mutation("δ swapped in the focal part", "modified_focal.py", "(1 - delta[0], *delta[1:])", "(delta[0], *(1 - d for d in delta[1:]))"),
    Mutation("asymmetric focal suppresses rare classes", "modified_focal.py", '"gamma", self.gamma, 0.0, classes', '"gamma", self.gamma, self.gamma, classes'),
    Mutation("δ swapped in the Tversky part", "regions.py", "wrong = weight * sums.fn + (1 - weight) * sums.fp", "wrong = (1 - weight) * sums.fn + weight * sums.fp"),
    Mutation("false positives not counted", "regions.py", "wrong = weight * sums.fn + (1 - weight) * sums.fp", "wrong = weight * sums.fn"),
    Mutation("smoothing left out", "regions.py", "(sums.tp + wrong + smooth)", "(sums.tp + wrong + 1e-30)"),
    Mutation("bound removed", "regions.py", "eta = tuple(0.0 if e == 1 else bound for e in exponents)", "eta = tuple(0.0 for e in exponents)"),
    Mutation("offset of the bound removed", "regions.py", "class_vector(eta, u.device, u.dtype), power) - offset", "class_vector(eta, u.device, u.dtype), power)"),
    Mutation("Tversky part: γ instead of 1 − γ", "modified_focal_tversky.py", "tuple(1 - gamma for gamma in per_class", "tuple(gamma + 1e-9 for gamma in per_class"),
    Mutation("asymmetric Tversky enhances the background", "modified_focal_tversky.py", '"gamma", 0.0, self.gamma, classes', '"gamma", self.gamma, self.gamma, classes'),
    Mutation("λ weighs the Tversky part", "compound.py", "return float(focal_weight), 1.0 - focal_weight", "return 1.0 - focal_weight, float(focal_weight)"),
    Mutation("coefficients of a compound left out", "compound.py", "total = total + coefficient * shares", "total = total + shares"),
    Mutation("constant of a compound left out", "compound.py", "self.constant, dtype", "0.0, dtype"),
    Mutation("last class dropped from the sums", "target.py", "wrong = values.scatter(1, self.indices, 0.0)\n", "wrong = values.scatter(1, self.indices, 0.0)\n        wrong[:, -1] = 0\n"),
    Mutation("sum outside a class includes it", "target.py", "wrong = values.scatter(1, self.indices, 0.0)", "wrong = values"),
    Mutation("voxel weights left out of fn", "target.py", "selected = selected if weight is None else selected * weight", "selected = selected * 1"),
    Mutation("absent classes always counted", "regions.py", "sums.present() if self.skip_absent else None", "None"),
    Mutation("batch sums over one sample only", "regions.py", "part.sum(dim=0, keepdim=True)", "part[:1]"),
    Mutation("mean divides by voxels, not by weights", "elements.py", "self.values.mean() if self.weights is None else self.sum() / _total(self.weights)", "self.values.mean() if self.weights is None else self.none().mean()"),
    Mutation("ignored voxels counted as background", "sample.py", "keep = (~ignored).to(dtype)", "keep = torch.ones_like(ignored).to(dtype)"),
    Mutation("1 − p by subtraction", "sample.py", "return -torch.expm1(self.log_p)", "return 1 - self.log_p.exp()"),
    Mutation("half precision not widened", "prediction.py", "F.log_softmax(logits, dim=1, dtype=dtype)", "F.log_softmax(logits, dim=1).to(dtype)"),
    Mutation("clip of the authors left out", "prediction.py", "p.clamp(clip, 1 - clip).log()", "p.clamp(1e-30, 1).log()"),
    Mutation("generalised Dice: 1/n instead of 1/n²", "generalised_dice.py", "return ratio.square()", "return ratio"),
    Mutation("sizes weigh like rarity", "class_weights.py", "weights = total / (present.sum(dim=1, keepdim=True) * counts)", "weights = counts / (present.sum(dim=1, keepdim=True) * total)"),
    # the fused passes in PyTorch
    Mutation("fused: sign of the entropy's logit", "fused/blocks.py", ".log1p_().sub_(below)", ".log1p_().add_(below)"),
    Mutation("fused: annotated class not taken out", "fused/blocks.py", "wrong.exp_().addcmul_(wrong, annotated, value=-1)", "wrong.exp_()"),
    Mutation("fused: 1 − p not normalised", "fused/blocks.py", "miss=rest.mul_(scale)", "miss=rest"),
    Mutation("fused: largest logit not subtracted", "fused/blocks.py", "torch.sub(logits, top, out=wrong)", "wrong.copy_(logits)"),
    Mutation("fused: ignored voxels counted", "fused/blocks.py", "            weight.copy_(keep)", "            weight.fill_(1)"),
    Mutation("fused: weights left out of fp", "fused/torch_passes.py", "block.scale if block.weight is None else block.scale.mul_(block.weight)\n            here", "block.scale\n            here"),
    Mutation("fused: weights left out of the gradient", "fused/torch_passes.py", "block.scale if block.weight is None else block.scale.mul_(block.weight)\n    shift", "block.scale\n    shift"),
    Mutation("fused: gradient's mean over classes left out", "fused/torch_passes.py", "        shift.addcmul_(torch.mv(block.wrong.T, fp, out=spare), block.scale, value=-1)\n", ""),
    Mutation("fused: sign of fn's slope flipped", "fused/torch_passes.py", "fn, fp, focal = slopes\n", "fn, fp, focal = slopes * torch.tensor([[-1.0], [1], [1]])\n"),
    Mutation("fused: focal slope left out", "fused/torch_passes.py", "            modulation.slope(block.miss, block.entropy, block.annotated, block.rows)\n            shift.mul_(", "            shift.fill_(1).mul_("),
    Mutation("fused: annotated class gets no gradient", "fused/torch_passes.py", "torch.addcmul(block.plane, block.annotated, total, value=-1, out=target)", "target.copy_(block.plane)"),
    Mutation("fused: last block of a sample lost", "fused/blocks.py", "for start in range(0, voxels, size)]", "for start in range(0, max(voxels - size, 1), size)]"),
    Mutation("fused: factor on the rare classes too", "fused/modulation.py", "            factor.mul_(annotated[0]).add_(other)\n", "            pass\n"),
    Mutation("fused: e left out of the slope", "fused/modulation.py", "slope.mul_(exponent).add_(1).mul_(", "slope.add_(1).mul_("),
    Mutation("fused: unweighted mean divides by weights", "fused/voxel_sums.py", "self.count.new_full(self.count.shape[:1], self.voxels)", "self.count.new_full(self.count.shape[:1], self.voxels + 1)"),
    Mutation("fused: labels not checked", "fused/torch_passes.py", "    if everywhere:\n        check_range_of_indices(int(extremes.min()), int(extremes.max()), batch.classes)\n", ""),
    Mutation("fused: weight's gradient silently lost", "fused/choice.py", "weight is not None and weight.requires_grad", "False"),
    # the compiled passes
    Mutation("compiled: sign of the entropy's logit", "fused/compiled_rows.py", "+ rest[i]) - below[i]", "+ rest[i]) + below[i]"),
    Mutation("compiled: weights left out of fp", "fused/compiled_kernels.py", "            multiply(scale, w)\n            for c", "            for c"),
    Mutation("compiled: weights left out of the gradient", "fused/compiled_kernels.py", "        multiply(scale, w)\n        total", "        total"),
    Mutation("compiled: rounding of 1 + x not made good", "fused/compiled_math.py", "return log(u) + (x - (u - _F(1))) / u", "return log(u)"),
    Mutation("compiled: e left out of the slope", "fused/compiled_rows.py", "_F(1) + exponent[i] * growth", "_F(1) + growth"),
    Mutation("compiled: ignored voxels count", "fused/compiled_rows.py", "weight[i] = weight[i] if keep else _F(0)", "weight[i] = weight[i]"),
    # the Triton kernels
    Mutation("Triton: sign of the entropy's logit", "fused/triton_passes.py", "entropy = _log1p(rest + (right - 1)) - below", "entropy = _log1p(rest + (right - 1)) + below"),
    Mutation("Triton: weights left out of fp", "fused/triton_passes.py", "fp += tl.sum(wrong * w[None, :], axis=1)", "fp += tl.sum(wrong, axis=1)"),
    Mutation("Triton: fn and fp stored swapped", "fused/triton_passes.py", "tl.store(at + ROWS, fn)\n    tl.store(at + 2 * ROWS, fp)", "tl.store(at + ROWS, fp)\n    tl.store(at + 2 * ROWS, fn)"),
    Mutation("Triton: only the first tile of a program", "fused/triton_passes.py", "range(tl.program_id(0) * BLOCK, voxels, tl.num_programs(0) * BLOCK)", "range(tl.program_id(0) * BLOCK, tl.program_id(0) * BLOCK + 1, tl.num_programs(0) * BLOCK)"),
    Mutation("Triton: annotated class gets no gradient", "fused/triton_passes.py", "entries = tl.where(y, -tl.sum(entries, axis=0)[None, :], entries)", "entries = entries + 0"),
    Mutation("Triton: slope of fp for fn", "fused/triton_passes.py", "fn = tl.load(slope + CLASSES,", "fn = tl.load(slope + 2 * CLASSES,"),
    Mutation("Triton: gradient of a sigmoid's background", "fused/triton_passes.py", "c -= 1  #", "c -= 0  #"),
    Mutation("Triton: wrong labels pass unseen", "fused/triton_passes.py", 'float("nan"), w)', "w, w)"),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=int, nargs="+", metavar="NUMBER", help="numbers of mutations, from 1")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    began = time.monotonic()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        copy = _copy(Path(folder))
        if (failed := _failing_test(copy)) is not None:
            sys.exit(f"The tests fail without any mutation: {failed}")
        for number, mutation in enumerate(MUTATIONS, start=1):
            if arguments.only and number not in arguments.only:
                continue
            noticed = _try(copy, mutation)
            rows.append(f"| {number} | {mutation.what} | `{mutation.file}` | {noticed or '**survived**'} |")
            print(rows[-1], flush=True)
    caught = sum("**survived**" not in row for row in rows)
    report = [
        "# Mutations of the losses",
        "",
        f"{caught} of {len(rows)} faults were noticed by a test, {len(rows) - caught} survived "
        f"({datetime.now(timezone.utc):%Y-%m-%d}, {time.monotonic() - began:.0f} s). "
        "Made by `python benchmarks/mutations.py`; the last column names the first test that failed.",
        "",
        "| | fault | file | noticed by |",
        "|---:|---|---|---|",
        *rows,
    ]
    print(report[2])
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(report) + "\n", encoding="utf-8")
    sys.exit(0 if caught == len(rows) else 1)


def _copy(folder: Path) -> Path:
    """The package and its loss tests in `folder`, so that the checkout is never touched."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(BACKEND / "src" / "ufseg", folder / "src" / "ufseg", ignore=ignored)
    shutil.copytree(BACKEND / "tests" / "losses", folder / "tests" / "losses", ignore=ignored)
    return folder


def _try(copy: Path, mutation: Mutation) -> str | None:
    """The name of the first test that fails with the fault, None if all pass.

    Raises:
        ValueError: if the fault's place is not found exactly once.
    """
    path = copy / "src" / "ufseg" / "losses" / mutation.file
    source = path.read_text(encoding="utf-8")
    if source.count(mutation.old) != 1:
        raise ValueError(f"{mutation.what!r}: its place is found {source.count(mutation.old)} times in {path.name}.")
    path.write_text(source.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        return _failing_test(copy)
    finally:
        path.write_text(source, encoding="utf-8")


def _failing_test(copy: Path) -> str | None:
    tests = copy / "tests" / "losses"
    others = [path.name for path in sorted(tests.glob("test_*.py")) if path.name not in QUICK]
    return _run(tests, QUICK) or _run(tests, others)


def _run(tests: Path, files: list[str]) -> str | None:
    compiled = sorted((tests.parents[1] / "src" / "ufseg" / "losses" / "fused").glob("compiled_*.py"))
    fingerprint = hashlib.sha256(b"".join(path.read_bytes() for path in compiled)).hexdigest()[:16]
    environment = os.environ | {
        "PYTHONPATH": str(tests.parents[1] / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        # Numba notices changes of a function's own file, not of those that it calls.
        "NUMBA_CACHE_DIR": str(tests.parents[1] / "numba" / fingerprint),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=no", "-k", SLOW, *files]
    command += ["-p", "no:randomly", "-p", "no:cacheprovider", "--hypothesis-seed=0", f"--rootdir={tests.parents[1]}"]
    ended = subprocess.run(command, cwd=tests, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return None
    for line in ended.stdout.splitlines():
        if line.startswith(("FAILED", "ERROR")):
            return "`" + line.split()[1].rpartition("::")[2].partition("[")[0] + "`"
    return f"pytest ended with {ended.returncode}"


if __name__ == "__main__":
    main()
