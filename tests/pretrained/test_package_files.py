import hashlib
import sys
import zipfile

import pytest

from keras_reprogram.pretrained import minilm
from keras_reprogram.pretrained.package_files import file_of_package
from keras_reprogram.pretrained.package_files import known_content

pytestmark = pytest.mark.numpy_alone


def test_a_file_of_a_package_that_is_not_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    found = {"message": "Install it."}
    with pytest.raises(ImportError, match="Install it"):
        file_of_package("weights_of_nobody", "model.zip", **found)
    folder = tmp_path / "weights_of_nobody"
    folder.mkdir()  # as an uninstalled package leaves it
    with pytest.raises(ImportError, match="Install it"):
        file_of_package("weights_of_nobody", "model.zip", **found)
    (folder / "__init__.py").touch()
    with pytest.raises(ImportError, match="without .*model.zip"):
        file_of_package("weights_of_nobody", "model.zip", **found)
    (folder / "model.zip").touch()
    path = file_of_package("weights_of_nobody", "model.zip", **found)
    assert path == folder / "model.zip"


def test_other_content_is_refused(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert known_content(path, digest) == b"weights"
    path.write_bytes(b"other")
    with pytest.raises(ValueError, match="install its package again.*Receiv"):
        known_content(path, digest)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", None])
def test_a_damaged_archive_is_a_value_error(tmp_path, content):
    path = tmp_path / "model.zip"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "{}")
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="damaged: install.*Received: "):
        minilm.unpack(path, tmp_path)
