"""Compiles the Triton kernels for a GPU that need not be there, and prints the size of each.

A program of its own, because Triton decides when it is imported whether kernels are compiled or interpreted.
"""

from __future__ import annotations

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from ufseg.losses.fused import triton_passes

POINTERS = {"target": "*u8"} | dict.fromkeys(
    ("logits", "weight", "exponents", "partial", "slopes", "gradient"), "*fp32"
)
CAPABILITY = 80
CLASSES = 3


def main() -> None:
    rows = triton.next_power_of_2(CLASSES)
    constants = dict.fromkeys(("WEIGHT", "IGNORE", "FOCAL", "REGION"), True) | {
        "CLASSES": CLASSES,
        "ROWS": rows,
        "BLOCK": triton_passes.TILE // rows,
        "SIGMOID": False,
        "DOUBLE": False,
        "TINY": torch.finfo(torch.float32).tiny,
    }
    for kernel in (triton_passes._forward, triton_passes._backward):
        own = {name: constants[name] for name in kernel.arg_names if name in constants}
        types = POINTERS | dict.fromkeys(own, "constexpr")
        signature = {name: types.get(name, "i32") for name in kernel.arg_names}
        source = ASTSource(kernel, signature, constexprs=own)
        print(len(triton.compile(source, target=GPUTarget("cuda", CAPABILITY, 32)).asm["cubin"]))


if __name__ == "__main__":
    main()
