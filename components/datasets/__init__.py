"""Built-in data sets."""

from graphkd.components.datasets.cifar10 import CIFAR10
from graphkd.components.datasets.cifar100 import CIFAR100
from graphkd.components.datasets.digits import Digits
from graphkd.components.datasets.fake import Fake
from graphkd.components.datasets.image_folder import ImageFolder

__all__ = ["CIFAR10", "CIFAR100", "Digits", "Fake", "ImageFolder"]
