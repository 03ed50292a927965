"""What every public function passes: rules, numpy at the call, universal functions, classes of other arrays."""
