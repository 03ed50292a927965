"""Entries of torch's OpInfo database that are not compared, with reasons. All others are torch's with all samples."""

from __future__ import annotations

ON_CUDA = "torch has no kernel for the CPU"
_SPARSE = "sparse tensors are refused by name"
_DTYPE = "numpy has no such dtype"
WITHOUT_VALUES: dict[str, str] = {
    "jiterator_unary": ON_CUDA,
    "jiterator_binary": ON_CUDA,
    "jiterator_4inputs_with_extra_args": ON_CUDA,
    "jiterator_binary_return_by_ref": ON_CUDA,
    "jiterator_2inputs_2outputs": ON_CUDA,
    "torch.ops.aten._flash_attention_forward": ON_CUDA,
    "torch.ops.aten._efficient_attention_forward": ON_CUDA,
    "bmm|triton_optimized": ON_CUDA,
    "sparse.sampled_addmm": _SPARSE,
    "sparse.mm|reduce": _SPARSE,
    "to_sparse": _SPARSE,
    "torch._scaled_mm": _DTYPE,
    "torch._scaled_mm_v2": _DTYPE,
    "chalf": _DTYPE,
    "as_strided|partial_views": "elements beyond the tensor, in memory that no trace has seen",
    "linalg.eig": "numpy and torch list eigenvalues in another order on other inputs",
    "linalg.eigvals": "numpy and torch list eigenvalues in another order on other inputs",
}
WITHOUT_GRADIENTS: dict[str, str] = {
    "linalg.pinv|hermitian": "of matrices that are not Hermitian, as its samples are, torch's gradient is that of no function",
    "istft": "torch loses the gradient of the window of one sample, not that of a copy of this window",
    "as_strided_scatter": "torch gives the input what it gives the source, where the source was written over the input",
}
WITHOUT_SECOND_DERIVATIVES: dict[str, str] = {
    "linalg.pinv|hermitian": WITHOUT_GRADIENTS["linalg.pinv|hermitian"],
    "linalg.norm|subgradients_at_zero": "torch's second derivative of the norm of zeros is NaN, ours 0 as its first",
    "masked.logaddexp": "torch's second derivative where both numbers are -inf is NaN, ours 0",
}
# Some samples of these have no second derivative in torch, which says so in these words.
WITHOUT_SECOND_IN_TORCH: dict[str, str] = {
    "native_layer_norm": "Expected a proper Tensor but got None",
    "nn.functional.ctc_loss": "derivative for aten::_ctc_loss_backward is not implemented",
}
_ROUNDED_INSIDE = "torch rounds between the steps of its kernel"
_TIES = "torch takes others of equal numbers, of which there are many"
OTHERWISE_IN_HALF: dict[str, str] = {
    **dict.fromkeys(("grid_sampler_2d", "grid_sampler_3d", "nn.functional.grid_sample", "matrix_exp"), _ROUNDED_INSIDE),
    "nn.functional.soft_margin_loss": _ROUNDED_INSIDE,
    **dict.fromkeys(("sort", "argsort", "topk"), _TIES),
    **dict.fromkeys(("special.i1", "special.i1e"), "torch has no gradient, which its sample asks for"),
    **dict.fromkeys(("complex", "view_as_complex"), "numpy has no complex numbers of float16"),
    "nextafter": "refused: the steps are others than those of float32",
}
