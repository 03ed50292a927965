"""Assignment to elements: `x[i] = v`, `x.flat[i] = v`, and functions such as put that change their first argument."""
