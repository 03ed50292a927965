"""Small networks in the shapes of well-known ones: blocks, branches, dense connections, separable and grouped convolutions, patches."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional


def vgg() -> nn.Module:
    """Return convolutions of three by three in stages, each ended by a maximum of windows."""
    return nn.Sequential(
        *(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(6, 6, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ),
        *(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(2), nn.Flatten()),
        *(nn.Linear(32, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 4)),
    )


def alexnet() -> nn.Module:
    """Return a large first filter with a stride, and overlapping windows."""
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 7, stride=2, padding=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2)),
        *(nn.Conv2d(6, 8, 5, padding=2), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((3, 3)), nn.Flatten()),
        *(nn.Dropout(), nn.Linear(72, 4)),
    )


class _Residual(nn.Module):
    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Conv2d(channels, out, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.downsample(x))


class ResNet(nn.Module):
    """Residual blocks, batch norms, one module of relu that is called several times."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.layer1 = nn.Sequential(_Residual(6, 6, 1), _Residual(6, 8, 2))
        self.pool = nn.AvgPool2d(2)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.layer1(self.stem(x)))
        return self.fc(x.mean((2, 3)))


class DenseNet(nn.Module):
    """Each layer reads all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.layers = nn.ModuleList(nn.Conv2d(4 + 3 * number, 3, 3, padding=1) for number in range(3))
        self.norms = nn.ModuleList(nn.BatchNorm2d(4 + 3 * number) for number in range(3))
        self.head = nn.Linear(13, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = [self.stem(x)]
        for norm, layer in zip(self.norms, self.layers, strict=True):
            found.append(layer(functional.relu(norm(torch.cat(found, 1)))))
        joined = functional.avg_pool2d(torch.cat(found, 1), 2)
        return self.head(torch.flatten(functional.adaptive_avg_pool2d(joined, 1), 1))


class SqueezeNet(nn.Module):
    """Narrow and wide filters side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(3, 4, 1)
        self.expand1 = nn.Conv2d(4, 5, 1)
        self.expand3 = nn.Conv2d(4, 5, 3, padding=1)
        self.last = nn.Conv2d(10, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.squeeze(x))
        x = torch.cat([functional.relu(self.expand1(x)), functional.relu(self.expand3(x))], 1)
        return functional.relu(self.last(functional.max_pool2d(x, 3, stride=2, ceil_mode=True))).mean((2, 3))


class Inception(nn.Module):
    """Four branches, filters that are not square, and a pooled branch."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 3, 1)
        self.wide = nn.Sequential(nn.Conv2d(3, 3, (1, 5), padding=(0, 2)), nn.Conv2d(3, 4, (5, 1), padding=(2, 0)))
        self.dilated = nn.Conv2d(3, 2, 3, padding=2, dilation=2)
        self.pooled = nn.Sequential(nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False), nn.Conv2d(3, 2, 1))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(11 * 16, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = [self.one(x), self.wide(x), self.dilated(x), self.pooled(x)]
        return self.head(functional.adaptive_avg_pool2d(torch.relu(torch.cat(branches, 1)), 4))


def mobilenet() -> nn.Module:
    """Return depthwise and pointwise convolutions with batch norms and a clipped relu."""
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True)),
        *(nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True)),
        *(nn.Conv2d(8, 12, 1, bias=False), nn.BatchNorm2d(12), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 4)),
    )


class VisionTransformer(nn.Module):
    """Patches by a convolution, attention, a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 12, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, 12))
        self.norm = nn.LayerNorm(12)
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(12, 20), nn.GELU(), nn.Linear(20, 12))
        self.head = nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1)
        y = self.norm(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return self.head((x + self.mlp(x))[:, 0])


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "vgg": vgg,
    "alexnet": alexnet,
    "resnet": ResNet,
    "densenet": DenseNet,
    "squeezenet": SqueezeNet,
    "inception": Inception,
    "mobilenet": mobilenet,
    "vision transformer": VisionTransformer,
}
SHAPE = (2, 3, 16, 16)


def network(name: str, seed: int = 0) -> nn.Module:
    """Return a network with seeded weights, in evaluation mode."""
    torch.manual_seed(seed)
    return NETWORKS[name]().eval()


def picture(seed: int = 1) -> torch.Tensor:
    """Return an input of all networks."""
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))
