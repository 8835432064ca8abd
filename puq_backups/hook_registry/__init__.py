"""Hook points, the decorators that mark hook functions, and the registry that loads and runs them."""
