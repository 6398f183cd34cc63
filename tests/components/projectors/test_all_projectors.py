"""What holds for every projector: where it is built, compiled and exported."""

import copy
import subprocess
import sys

import pytest
import torch

from graphkd.components import projectors
from graphkd.components.projectors import (
    MLP,
    Conv1x1,
    ExitBranch,
    GridToTokens,
    Hashed,
    Linear,
    NDHead,
    Pool,
    Rearrange,
    Resize,
    TokensToGrid,
)

CASES = [
    pytest.param(Linear(), (2, 3), (2, 5), (2, 5), id="linear"),
    pytest.param(Linear(), (2, 6, 3), (2, 7, 5), (2, 6, 5), id="linear-tokens"),
    pytest.param(MLP(activation="gelu"), (2, 3), (2, 5), (2, 5), id="mlp"),
    pytest.param(
        Conv1x1(norm=True, activation="relu"),
        *((2, 3, 4, 4), (2, 5, 7, 7), (2, 5, 4, 4)),
        id="conv1x1",
    ),
    pytest.param(
        Rearrange("b c (h p) w -> b (p c) h w", {"p": 2}),
        *((2, 3, 4, 4), None, (2, 6, 2, 4)),
        id="rearrange",
    ),
    pytest.param(Pool(), (2, 3, 4, 4), None, (2, 3), id="pool"),
    pytest.param(Pool(kind="max"), (2, 6, 3), None, (2, 3), id="pool-tokens"),
    pytest.param(Pool(size=2), (2, 3, 4, 4), None, (2, 3, 2, 2), id="pool-blocks"),
    pytest.param(Pool(size=3), (2, 3, 4, 4), None, (2, 3, 3, 3), id="pool-overlapping"),
    pytest.param(Pool("max", 3), (2, 3, 4, 4), None, (2, 3, 3, 3), id="pool-max-overlapping"),
    pytest.param(Resize(), (2, 3, 4, 4), (2, 5, 7, 6), (2, 3, 7, 6), id="resize"),
    pytest.param(Resize(mode="nearest"), (2, 3, 4, 4), (2, 5, 7, 6), (2, 3, 7, 6), id="nearest"),
    pytest.param(Resize(mode="area"), (2, 3, 4, 4), (2, 5, 3, 2), (2, 3, 3, 2), id="area"),
    pytest.param(TokensToGrid(prefix=1), (2, 10, 5), None, (2, 5, 3, 3), id="tokens_to_grid"),
    pytest.param(GridToTokens(), (2, 5, 3, 4), None, (2, 12, 5), id="grid_to_tokens"),
    pytest.param(Hashed(by="code"), (2, 3), (2, 8), (2, 8), id="hashed"),
    pytest.param(NDHead(), (2, 3), (2, 5), (2, 5), id="nd_head"),
    pytest.param(ExitBranch(2, width=6), (2, 3, 8, 8), (2, 5), (2, 5), id="exit_branch"),
    pytest.param(
        ExitBranch(4, prefix=1), (2, 197, 8), (2, 5), (2, 5), id="exit_branch-class_token"
    ),
    pytest.param(
        ExitBranch(3, 12, "transformer"),
        *((2, 4, 14, 14), (2, 5), (2, 5)),
        id="exit_branch-grid_of_tokens",
    ),
]
cases = pytest.mark.parametrize(("projector", "before", "target", "after"), CASES)


def test_every_projector_has_a_case():
    assert {type(case.values[0]).__name__ for case in CASES} == set(projectors.__all__)


def test_import_needs_no_torch():
    code = "import sys, graphkd.components.projectors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@cases
def test_meta_device_knows_the_shape(site, projector, before, target, after):
    with torch.device("meta"):
        module = projector.build(site(before, target))
        out = module(torch.empty(before))
    assert out.is_meta
    assert out.shape == after


@cases
def test_gradient_reaches_input_and_weights(site, projector, before, target, after):
    module = projector.build(site(before, target))
    tensor = torch.randn(before, generator=torch.Generator().manual_seed(0), requires_grad=True)
    out = module(tensor)
    assert out.shape == after
    out.square().sum().backward()
    for each in (tensor, *module.parameters()):
        assert each.grad is not None
        assert each.grad.isfinite().all()


@cases
def test_compiles_whole(site, projector, before, target, after):
    module = projector.build(site(before, target)).eval()
    tensor = torch.randn(before, generator=torch.Generator().manual_seed(0))
    # the modules of other cases count towards the limit of recompilations
    torch.compiler.reset()
    compiled = torch.compile(copy.deepcopy(module), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(tensor), module(tensor))


@cases
def test_exports_for_any_batch_size(site, projector, before, target, after):
    module = projector.build(site(before, target)).eval()
    tensors = torch.randn(7, *before[1:], generator=torch.Generator().manual_seed(0))
    shapes = ({0: torch.export.Dim("b")},)
    exported = torch.export.export(module, (tensors[:2],), dynamic_shapes=shapes).module()
    torch.testing.assert_close(exported(tensors), module(tensors))
