"""`wsprites play`: the playground in a browser."""

import secrets
import threading
import webbrowser
from contextlib import suppress
from importlib import import_module

import click

from wsprites.terminal import extra


@click.command()
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="X",
    help="A checkpoint, the name of a trained model, or package.module:factory, beside the world; may be repeated.",
)
@click.option("--world", default="paper", show_default=True, help="Name of a world (paper, factorial, ...), or a TOML file.")
@click.option("--sheets", default="own", show_default=True, help="'own', 'lpc' or a folder of LPC sheets.")
@click.option("--backgrounds", default="painted", show_default=True, help="'painted', 'photos' or a folder of images.")
@click.option("--split", type=click.Choice(["train", "val", "test", "all"]), default="test", show_default=True, help="Which characters.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True, help="Seed of the clips that episodes begin like.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="Port; 0: any that is free.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen at. Others than this machine's own need the printed token."
)
@click.option("--no-browser", is_flag=True, help="Open no browser.")
def play(
    models: tuple[str, ...],
    world: str,
    sheets: str,
    backgrounds: str,
    split: str,
    seed: int,
    port: int,
    host: str,
    no_browser: bool,
) -> None:
    """Steer a character in a browser, and models beside it."""
    with extra("play"):
        import_module("websockets")  # uvicorn needs it, and says so only when a page connects

        from wsprites.playground.server import LOOPBACK, listen, make_server
    from wsprites.art import load_world
    from wsprites.playground.models import load_players
    from wsprites.playground.shared import Playground

    # The port first: it is refused before models are loaded.
    with listen(host, port) as listening:
        art = load_world(world, sheets, backgrounds)
        players = load_players(models, (art.spec.height, art.spec.width))
        shared = Playground(art, players, seed=seed, split="" if split == "all" else split)
        token = "" if host in LOOPBACK else secrets.token_urlsafe(24)
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listening.getsockname()[1]}/{f'?token={token}' if token else ''}"

        def started() -> None:
            for player in players:
                click.echo(f"model    {player.name}")
            click.echo(f"page     {address}")
            click.echo("Ctrl-C stops the server.")
            if not no_browser:  # a browser of the terminal returns when it is closed, and until then pages are to be served
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

        with suppress(KeyboardInterrupt):  # Ctrl-C is how it is stopped
            make_server(shared, listening, token=token, started=started).run([listening])
