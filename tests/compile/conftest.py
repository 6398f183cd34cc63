"""Files that blueprints of these tests name."""

import pytest
from safetensors.torch import save_file

from tests.conftest import TinyNet


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Put weights of teachers with 3 and 4 channels into the working folder."""
    folder = tmp_path_factory.mktemp("weights")
    for channels in (3, 4):
        save_file(TinyNet(10, channels).state_dict(), folder / f"W{channels}.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield
