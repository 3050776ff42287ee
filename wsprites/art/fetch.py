"""Download of the real LPC sheets into the user's cache, each checked by its hash."""

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wsprites.errors import ArgumentError


class FetchError(OSError):
    """A download failed. Complete files are kept, so that fetching again resumes after them."""


def lpc(assets: Path) -> dict[str, Any]:
    """Address, authors and hashes of the real sheets: the contents of `assets/lpc.toml`."""
    return tomllib.loads((assets / "lpc.toml").read_text(encoding="utf-8"))


def lpc_folder() -> Path:
    """The folder of fetched sheets: in WSPRITES_CACHE, or in the user's cache directory."""
    import pooch

    return Path(os.environ.get("WSPRITES_CACHE") or pooch.os_cache("wsprites")) / "lpc"


def fetched(assets: Path) -> Path:
    """The folder of the fetched sheets. Raises ArgumentError if some are missing."""
    folder = lpc_folder()
    if not all((folder / name).is_file() for name in lpc(assets)["sha256"]):
        raise ArgumentError("sheets", "'lpc': the real sheets are not on this machine yet; get them with: wsprites assets fetch")
    return folder


def fetch(assets: Path, *, progress: Callable[[int], object] = lambda files: None) -> Path:
    """Download the sheets that are not in the cache yet. WSPRITES_LPC_URL names a mirror.

    Args:
        assets: the folder `assets/`, which has the list of the sheets.
        progress: called with 1 for every sheet in the cache.

    Returns:
        The folder that holds the sheets.

    Raises:
        FetchError: the server cannot be reached, lacks a file, or sends a wrong one.
    """
    import pooch
    import requests

    catalogue = lpc(assets)
    url = (os.environ.get("WSPRITES_LPC_URL") or catalogue["raw"]).rstrip("/")
    # pooch writes to a temporary name and renames it when the hash is right, so that no file is ever incomplete.
    cache = pooch.create(lpc_folder(), f"{url}/", registry={name: f"sha256:{hash}" for name, hash in catalogue["sha256"].items()})
    pooch.get_logger().setLevel("ERROR")
    for name in catalogue["sha256"]:
        try:
            cache.fetch(name, downloader=pooch.HTTPDownloader(timeout=30))
        except requests.HTTPError as error:
            answer = error.response.status_code if error.response is not None else "an error"
            raise FetchError(f"{url}/{name}: the server answered {answer}; try again later or set WSPRITES_LPC_URL") from None
        except requests.RequestException as error:
            reason = type(error).__name__
            raise FetchError(f"{url}/{name}: no connection, or a broken one ({reason}); check the network and try again") from None
        except ValueError:
            raise FetchError(f"{url}/{name}: the wrong file (its SHA-256 differs); it was not kept") from None
        progress(1)
    return lpc_folder()
