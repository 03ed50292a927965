"""numpy.lib.stride_tricks on tensors: as_strided and sliding_window_view."""

from composit.numpy.indexing.strided_views import as_strided, sliding_window_view

__all__ = ["as_strided", "sliding_window_view"]
