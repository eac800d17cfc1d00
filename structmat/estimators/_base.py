"""What every estimator is: parameters by name, and a refusal to answer before `fit`."""

import inspect

__all__ = ["Estimator", "NotFittedError"]


class NotFittedError(ValueError, AttributeError):
    """The estimator was asked before it was fitted."""


class Estimator:
    """Parameters as constructor arguments, in scikit-learn's protocol (``clone`` works)."""

    @classmethod
    def _names(cls):
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep=True):
        """Constructor arguments as a dict."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params):
        """Set constructor arguments by name; returns the estimator."""
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(
                    f"{type(self).__name__} has no parameter {name!r}; it has {self._names()}"
                )
            setattr(self, name, value)
        return self

    def _require_fitted(self, attribute):
        if not hasattr(self, attribute):
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet; call fit first")

    def __repr__(self):
        defaults = inspect.signature(type(self).__init__).parameters
        shown = [
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if defaults[name].default is not value
        ]
        return f"{type(self).__name__}({', '.join(shown)})"
