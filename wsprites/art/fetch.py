"""Fetching the real LPC sheets into the user's cache, each pinned by its hash."""

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wsprites.errors import UserError


class FetchError(OSError):
    """A download failed; what had arrived whole stays, so that fetching again goes on from there."""


def lpc(assets: Path) -> dict[str, Any]:
    """Where the real sheets are, who drew them, and their hashes: `assets/lpc.toml`."""
    return tomllib.loads((assets / "lpc.toml").read_text(encoding="utf-8"))


def lpc_folder() -> Path:
    """Where fetched sheets are kept: in WSPRITES_CACHE, or in the system's folder for caches."""
    import pooch

    return Path(os.environ.get("WSPRITES_CACHE") or pooch.os_cache("wsprites")) / "lpc"


def fetched(assets: Path) -> Path:
    """The folder of the fetched sheets. Raises UserError if they are not all there."""
    folder = lpc_folder()
    if not all((folder / name).is_file() for name in lpc(assets)["sha256"]):
        raise UserError("--sheets lpc: the real sheets are not on this machine yet; get them with: wsprites assets fetch")
    return folder


def fetch(assets: Path, *, progress: Callable[[int], object] = lambda files: None) -> Path:
    """Download the sheets that are not in the cache yet. WSPRITES_LPC_URL names a mirror.

    Args:
        progress: called with 1 for every sheet that is there.

    Returns:
        The folder that holds them.

    Raises:
        FetchError: the server cannot be reached, lacks a file, or sends another one.
    """
    import pooch
    import requests

    catalogue = lpc(assets)
    url = (os.environ.get("WSPRITES_LPC_URL") or catalogue["raw"]).rstrip("/")
    # pooch writes to a temporary name and renames it when the hash is right, so that nothing is ever half there.
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
            raise FetchError(f"{url}/{name}: no connection or a broken one ({reason}); check the network and try again") from None
        except ValueError:
            raise FetchError(f"{url}/{name}: not the file that it should be (its SHA-256 differs); nothing of it was kept") from None
        progress(1)
    return lpc_folder()
