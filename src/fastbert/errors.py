"""What can be wrong with a model on disk.

    OSError
    └── ModelNotFoundError    no source has the model
    ValueError
    ├── ConfigError           a JSON file of the model directory is damaged or not supported
    └── WeightsError          a weights file is damaged, or does not fit the configuration

Wrong arguments are plain ValueError and TypeError.
"""

__all__ = ["ConfigError", "ModelNotFoundError", "WeightsError"]


class ModelNotFoundError(OSError):
    """No source has the model; the message lists what was tried and why each failed."""


class ConfigError(ValueError):
    """A JSON file of the model directory is damaged, impossible or not supported."""


class WeightsError(ValueError):
    """A weights file is damaged, or does not fit the model's configuration."""
