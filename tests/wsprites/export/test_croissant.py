"""The Croissant description of a parquet export: it names every file, with its hash, and every column."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from samples import sha256

import wsprites
from wsprites.export import Job, export


@pytest.fixture(scope="module")
def folder(data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "out"
    with wsprites.open(data_file) as data:
        export(Job(data, "parquet", 2, shard_clips=1), out)
    return out


def test_every_file_and_every_column_is_described(folder: Path):
    about = json.loads((folder / "croissant.json").read_text(encoding="utf-8"))
    files = {one["contentUrl"]: one["sha256"] for one in about["distribution"]}
    assert files == {path.relative_to(folder).as_posix(): sha256(path) for path in (folder / "data").iterdir()} and len(files) == 6
    for record in about["recordSet"]:
        (file,) = {field["source"]["fileObject"]["@id"] for field in record["field"]}
        schema = pq.read_schema(folder / file)
        assert [field["source"]["extract"]["column"] for field in record["field"]] == schema.names
        for field, kind in zip(record["field"], schema.types, strict=True):
            assert field.get("repeated", False) == str(kind).startswith("list<") and field["description"]
            assert (field["dataType"] == "sc:ImageObject") == ("binary" in str(kind))
    assert about["conformsTo"] == "http://mlcommons.org/croissant/1.0" and about["version"] == wsprites.__version__


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the library's readers
def test_the_reference_implementation_reads_it(folder: Path):
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))  # validates it
    issues = dataset.metadata.ctx.issues
    assert not issues.errors and all("datePublished" in text for text in issues.warnings)  # no file has a date: the same bytes every day
    record = next(iter(dataset.records(record_set="data/test-00000-of-00002")))
    row = pq.read_table(folder / "data" / "test-00000-of-00002.parquet").to_pylist()[0]
    assert list(record["data/test-00000-of-00002/local_action"]) == row["local_action"]
