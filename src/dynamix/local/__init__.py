"""Local linear forecasters: affine maps fitted to the context around the present state.

They are not in the paper and share the step of its model.
"""

from .fits import LocalFits, local_fits

__all__ = ["LocalFits", "local_fits"]
