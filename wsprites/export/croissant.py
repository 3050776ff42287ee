"""A Croissant description (version 1.0, MLCommons) of exported parquet files: what a machine reads of a data set.

https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import wsprites
from wsprites.export.job import Job
from wsprites.file import DESCRIPTIONS
from wsprites.file.videos import VIDEO_DESCRIPTIONS

_SPEC = "http://mlcommons.org/croissant"
_TERMS = (
    "citeAs column equivalentProperty extract field fileObject fileProperty fileSet format includes isLiveDataset jsonPath key md5 "
    "parentField path recordSet references regex repeated replace samplingRate separator source subField transform"
)
_CONTEXT = {  # that of the standard
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": f"{_SPEC}/",
    "rai": f"{_SPEC}/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{term: f"cr:{term}" for term in _TERMS.split()},
}
_CITATION = (
    "Davtyan and Favaro: Controllable Video Generation through Global and Local Motion Dynamics. ECCV 2022, which introduced W-Sprites"
)
_LICENCES = {"CC0 1.0": "https://creativecommons.org/publicdomain/zero/1.0/"}


def write(job: Job, folder: Path, columns: Mapping[str, tuple[int, str]]) -> None:
    """Write croissant.json, the description of a folder with the files data/*.parquet.

    Args:
        job: what was exported.
        folder: the folder with the files.
        columns: of each column how deep its lists are nested, and what they hold: "image", or the name of a numpy dtype.
    """
    texts = DESCRIPTIONS if job.world else VIDEO_DESCRIPTIONS
    licence = " ".join(job.world.credits.licence.split()) if job.world else "unknown"
    files = sorted(path.relative_to(folder).as_posix() for path in (folder / "data").iterdir())
    split_of = {name: name.removeprefix("data/").partition("-")[0] for name in files}
    objects = [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "encodingFormat": "application/x-parquet",
            "sha256": _sha256(folder / name),
        }
        for name in files
    ]
    records = [
        {
            "@type": "cr:RecordSet",
            "@id": name.removesuffix(".parquet"),
            "name": name.removesuffix(".parquet"),
            "description": f"Clips of the split {split_of[name]}, one a record.",
            "field": [_field(name, column, *content, texts.get(column, "")) for column, content in columns.items()],
        }
        for name in files
    ]
    about = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": f"{_SPEC}/1.0",
        "name": "W-Sprites" if job.world else "videos",
        "description": "Synthetic video in which every action is known." if job.world else "Clips of imported videos.",
        "license": _LICENCES.get(licence, licence),
        "version": wsprites.__version__,
        **({"citeAs": _CITATION} if job.world else {}),
        "distribution": objects,
        "recordSet": records,
    }
    (folder / "croissant.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _field(file: str, column: str, depth: int, content: str, text: str) -> dict[str, object]:
    """A column of a file. An image is a struct, of which `bytes` is a PNG file."""
    record, source = file.removesuffix(".parquet"), {"fileObject": {"@id": file}, "extract": {"column": column}}
    if content == "image":
        kind, source = "sc:ImageObject", {**source, "transform": {"jsonPath": "bytes"}}
    else:
        kind = "sc:Boolean" if content == "bool" else "sc:Float" if content.startswith("float") else "sc:Integer"
    field = {"@type": "cr:Field", "@id": f"{record}/{column}", "name": f"{record}/{column}", "description": text, "dataType": kind}
    return {**field, "source": source, **({"repeated": True} if depth else {})}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
