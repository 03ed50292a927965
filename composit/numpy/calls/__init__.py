"""The paths every public function takes: our rule, numpy at the call, ufunc objects, arrays of other classes."""
