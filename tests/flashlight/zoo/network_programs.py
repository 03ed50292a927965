"""Hard programs of networks: layers, attention, losses, training inside a trace, and torch's functional tools."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from tests.flashlight.zoo.programs import program


@program(x=(2, 12), w=(4, 1, 3))
def convolution_of_sequences(x: torch.Tensor, w: torch.Tensor) -> Any:
    y = F.conv1d(x[:, None], w, padding=2, dilation=2)
    return y, F.conv_transpose1d(y, w, stride=2), F.avg_pool1d(y, 3), F.max_pool1d(y, 2)


@program(x=(1, 4, 8, 8), w=(4, 2, 3, 3))
def grouped_convolution(x: torch.Tensor, w: torch.Tensor) -> Any:
    y = F.conv2d(x, w, stride=2, padding=1, groups=2)
    return F.interpolate(y, scale_factor=2, mode="bilinear"), F.pixel_shuffle(y, 2), F.adaptive_avg_pool2d(y, 3)


@program(x=(1, 2, 5, 5), grid=(1, 3, 3, 2))
def sampling(x: torch.Tensor, grid: torch.Tensor) -> Any:
    turned = F.affine_grid(torch.tensor([[[0.8, -0.6, 0.1], [0.6, 0.8, 0.0]]]), [1, 2, 4, 4], align_corners=False)
    return F.grid_sample(x, grid.tanh(), align_corners=False), F.grid_sample(
        x, turned, mode="nearest", align_corners=True
    )


@program(x=(2, 6, 4))
def recurrent_layers(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    lstm = nn.LSTM(4, 5, 2, batch_first=True, bidirectional=True)
    gru, rnn = nn.GRU(4, 3, batch_first=True), nn.RNN(4, 3, nonlinearity="relu")
    return lstm(x), gru(x)[0], rnn(x)[1]


@program(x=(3, 4))
def cells_in_a_loop(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    cell, gru = nn.LSTMCell(4, 4), nn.GRUCell(4, 4)
    h, c = torch.zeros(3, 4), torch.zeros(3, 4)
    for _ in range(3):
        h, c = cell(x, (h, c))
        h = gru(h, c)
    return h, c


@program(x=(2, 3, 4, 8))
def attention_with_a_mask(x: torch.Tensor) -> Any:
    mask = torch.ones(4, 4, dtype=torch.bool).tril()
    mixed = F.scaled_dot_product_attention(x, x, x, attn_mask=mask)
    return mixed, F.scaled_dot_product_attention(x, x, x, is_causal=True), mixed.norm(dim=-1)


@program(q=(1, 4, 3, 8), k=(1, 2, 3, 8))
def attention_of_groups(q: torch.Tensor, k: torch.Tensor) -> Any:
    return F.scaled_dot_product_attention(q, k, k, enable_gqa=True, scale=0.3)


@program(x=(2, 4, 8))
def rotary_embedding(x: torch.Tensor) -> Any:
    angles = torch.outer(torch.arange(4.0), 1.0 / 10 ** (torch.arange(0, 8, 2) / 8))
    turned = torch.view_as_complex(x.reshape(2, 4, 4, 2)) * torch.polar(torch.ones_like(angles), angles)
    cos, sin = angles.cos().repeat(1, 2), angles.sin().repeat(1, 2)
    half = torch.cat([-x[..., 4:], x[..., :4]], -1)
    return torch.view_as_real(turned).flatten(2), x * cos + half * sin


@program(x=(6, 5))
def losses(x: torch.Tensor) -> Any:
    target = torch.tensor([0, 4, 2, 1, 3, 0])
    soft = x.detach().softmax(-1)
    return (
        F.cross_entropy(x, target, label_smoothing=0.1, ignore_index=4),
        F.kl_div(x.log_softmax(-1), soft, reduction="batchmean"),
        F.smooth_l1_loss(x, soft),
        F.binary_cross_entropy_with_logits(x, soft, pos_weight=torch.tensor(2.0)),
        F.gaussian_nll_loss(x, soft, x.exp()),
    )


@program(x=(8, 4))
def norms_in_training(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    norm = nn.BatchNorm1d(4).train()
    y = norm(x)
    return y, norm.running_mean, norm.running_var, norm.num_batches_tracked, norm.eval()(x)


@program(x=(2, 6, 4, 4))
def norms_of_images(x: torch.Tensor) -> Any:
    return (
        F.group_norm(x, 3),
        F.instance_norm(x),
        F.local_response_norm(x, 3),
        F.layer_norm(x, (4, 4)),
        F.rms_norm(x, (4,)),
    )


@program(x=(4, 8))
def weight_norm_and_spectral_norm(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    first = nn.utils.parametrizations.weight_norm(nn.Linear(8, 5))
    second = nn.utils.parametrizations.spectral_norm(nn.Linear(5, 3)).eval()
    return second(first(x))


@program(x=(4, 3))
def functional_call(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    weights = {name: value * 2 for name, value in model.named_parameters()}
    return torch.func.functional_call(model, weights, (x,))


@program(x=(4, 3))
def gradient_inside(x: torch.Tensor) -> Any:
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        energy = (leaf.sin() * leaf).sum()
        (force,) = torch.autograd.grad(energy, leaf)
    return energy.detach(), force


@program(x=(6, 3))
def a_training_step_inside(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    losses = []
    with torch.enable_grad():
        for _ in range(2):
            optimizer.zero_grad()
            loss = model(x).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
    return torch.stack(losses), model.weight.detach()


@program(x=(6, 3))
def adam_inside(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    model = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    with torch.enable_grad():
        loss = (model(x) ** 2).mean()
        loss.backward()
        optimizer.step()
    return loss.detach(), model.weight.detach()


@program(x=(4, 6))
def mixture_of_experts(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    experts = [nn.Linear(6, 6) for _ in range(3)]
    weights, chosen = nn.Linear(6, 3)(x).softmax(-1).topk(2, -1)
    result = torch.zeros_like(x)
    for number, expert in enumerate(experts):
        rows, places = torch.where(chosen == number)
        result.index_add_(0, rows, expert(x[rows]) * weights[rows, places, None])
    return result


@program(x=(3, 4))
def compiled_and_scripted_parts(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    scripted = torch.jit.trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), torch.ones(1, 4), check_trace=False)
    return scripted(x), torch.compile(lambda y: y.sin() + 1)(x)


@program(x=(3, 4))
def checkpointed(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    block = nn.Sequential(nn.Linear(4, 4), nn.GELU())
    return torch.utils.checkpoint.checkpoint(block, x, use_reentrant=False)


@program(x=(3, 4))
def hooks_that_change_values(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    layer = nn.Linear(4, 4)
    layer.register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    layer.register_forward_hook(lambda module, args, output: output + args[0])
    return layer(x)


@program(x=(3, 4))
def vectorised(x: torch.Tensor) -> Any:
    return torch.vmap(lambda row: (row * row).sum() + row)(x), torch.func.vmap(torch.dot, (0, None))(x, x[0])


@program(x=(3,))
def derivatives_of_functions(x: torch.Tensor) -> Any:
    def energy(y: torch.Tensor) -> torch.Tensor:
        return (y.sin() * y).sum()

    return torch.func.grad(energy)(x), torch.func.jacrev(lambda y: y.exp() * y.sum())(x)


@program(x=(4, 5))
def fake_quantisation(x: torch.Tensor) -> Any:
    scale = x.abs().amax() / 127
    return torch.fake_quantize_per_tensor_affine(x, 0.1, 0, -128, 127), (x / scale).round().clamp(-128, 127) * scale


@program(x=(2, 5, 3))
def packed_sequences(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    lstm = nn.LSTM(3, 4, batch_first=True)
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([5, 3]), batch_first=True)
    output, _ = lstm(packed)
    return nn.utils.rnn.pad_packed_sequence(output, batch_first=True)[0]


@program(x=(2, 4, 8))
def torchs_own_transformer(x: torch.Tensor) -> Any:
    torch.manual_seed(3)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
    decoder = nn.TransformerDecoderLayer(8, 2, 16, batch_first=True).eval()
    memory = nn.TransformerEncoder(layer, 2).eval()(x)
    return decoder(x, memory, tgt_mask=nn.Transformer.generate_square_subsequent_mask(4))


@program(logits=(3, 9))
def sampling_filters(logits: torch.Tensor) -> Any:
    ordered, places = logits.sort(-1, descending=True)
    removed = ordered.softmax(-1).cumsum(-1) > 0.8
    removed[:, 1:] = removed[:, :-1].clone()
    removed[:, 0] = False
    return logits.masked_fill(removed.scatter(1, places, removed), float("-inf")).softmax(-1)


@program(x=(4, 6))
def draws_in_training(x: torch.Tensor) -> Any:
    noisy = x + torch.randn_like(x) * 0.1
    return F.dropout(noisy, 0.3), F.gumbel_softmax(x, tau=0.5), torch.randperm(4)


@program(x=(2, 3, 5))
def padding_of_all_kinds(x: torch.Tensor) -> Any:
    return [F.pad(x, (2, 1), mode=mode) for mode in ("constant", "reflect", "replicate", "circular")] + [
        F.pad(x, (-1, 2))
    ]
