# not yet: one worker's tests write into two files
import pytest


@pytest.fixture
def export_file(tmp_path: Path, worker_id: str) -> Path:
    return tmp_path / f"export_{worker_id}.csv"
