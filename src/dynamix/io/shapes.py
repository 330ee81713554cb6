"""Types of arrays with their shapes, such as ``Float[ndarray, "T N"]``: jaxtyping's, or none.

Shapes are checked while the tests run: pytest's hook imports jaxtyping before this package. Type
checkers and the book's reference read jaxtyping's types, too. A forecast does not need them, so
everywhere else ``Float[ndarray, "T N"]`` is ``ndarray``.
"""

import sys
from typing import TYPE_CHECKING, Any

__all__ = ["Bool", "Float", "Int", "UInt8"]

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Float, Int, UInt8
else:

    class _Unchecked:
        def __class_getitem__(cls, parts: tuple[Any, str]) -> Any:
            return parts[0]

    Bool = Float = Int = UInt8 = _Unchecked
