import pytest

from workflow_scripts.core.errors import InputError
from workflow_scripts.core.json_files import read_json


def test_what_was_written_is_read(tmp_path):
    (tmp_path / "file.json").write_bytes('{"é": [1, null]}'.encode())
    assert read_json(tmp_path / "file.json") == {"é": [1, None]}


@pytest.mark.parametrize("content", [b"", b'{"cut": ', b'{"latin-1": "\xe9"}'])
def test_what_is_not_json_is_refused_with_the_file_in_one_line(tmp_path, content):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        read_json(path)
    assert str(refusal.value).startswith(f"{path}: this is not valid JSON: ")
    assert "\n" not in str(refusal.value)


def test_a_missing_file_is_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "absent.json")
