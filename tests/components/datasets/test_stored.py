import torch

from graphkd.components.datasets.stored import Stored


def test_bytes_become_parts_of_one():
    # 51 / 255 = 1/5
    samples = Stored(torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8), labels=None)
    expected = torch.tensor([[[0.0, 0.2, 1.0]]])
    torch.testing.assert_close(samples[0], expected)
    torch.testing.assert_close(samples.batch(torch.tensor([0, 0])), expected.expand(2, 1, 1, 3))


def test_floats_stay():
    images = torch.rand(2, 1, 3, 3)
    assert torch.equal(Stored(images, labels=None)[1], images[1])
