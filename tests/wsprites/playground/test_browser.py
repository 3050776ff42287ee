"""The page in a real browser: pixels, keys, touch, the three widths, reconnecting. Skipped where there is no Chromium."""

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import play_models
import pytest
from play_page import PATIENCE, Running, running

from wsprites.art import World
from wsprites.playground.episode import Choice, Episode
from wsprites.recording import Recording
from wsprites.render import render
from wsprites.view.picture import encode_png
from wsprites.world.script import script

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""A Chromium of the system; without one, that of `playwright install chromium`."""
STEP = "(playground.rows.at(-1)?.[0] ?? -1)"


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with sync_api.sync_playwright() as playwright:
        path = CHROMIUM or playwright.chromium.executable_path
        if not os.path.exists(path):
            pytest.skip("there is no Chromium; install one, or run playwright install chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Opened:
    """A page that is loaded, and all that it complained about."""

    def __init__(self, browser: "Browser", server: Running, **options: object) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1600, "height": 1000}, "accept_downloads": True} | options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(1000 * PATIENCE)
        self.complaints: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text) if message.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(server.origin)
        self.until(f"{STEP} >= 0")

    def until(self, condition: str) -> None:
        """Wait for a condition. Playwright's own way evaluates a text in the page, which its security policy forbids."""
        for _ in range(50 * PATIENCE):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"never: {condition}")

    def clip(self, number: int) -> None:
        self.page.fill("#clip", str(number))
        self.page.press("#clip", "Enter")
        # The page takes the number at once; the caption and the first row of the clip come with the server's answer.
        self.until(f"document.querySelector('#world-clip').textContent.startsWith('clip {number},') && playground.rows.at(-1)?.[0] === 0")

    def pixels(self, selector: str) -> np.ndarray:
        """The pixels of a canvas, (H, W, 3)."""
        data_of = "getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data"
        width, height, *data = self.page.eval_on_selector(selector, f"(canvas) => [canvas.width, canvas.height, ...canvas.{data_of}]")
        return np.array(data, np.uint8).reshape(height, width, 4)[..., :3]

    def hold(self, *keys: str, steps: int = 3) -> None:
        """Hold keys down for some steps at least."""
        for key in keys:
            self.page.keyboard.down(key)
        self.until("playground.answered === playground.input")  # what comes now follows from all of them
        begin = int(self.page.evaluate(STEP))
        self.until(f"{STEP} >= {begin + steps}")
        for key in keys:
            self.page.keyboard.up(key)


@pytest.fixture
def opened(browser: "Browser", server: Running) -> Iterator[Opened]:
    page = Opened(browser, server)
    yield page
    page.context.close()
    assert [line for line in page.complaints if "willReadFrequently" not in line] == []  # it is the tests that read the canvas


def replayed(world: World, clip: int, rows: list[list[int]]) -> np.ndarray:
    """The frame after the steps of a timeline, drawn here."""
    episode = Episode(world, 0, clip)
    for row in rows[1:]:
        episode.act(Choice(*row[1:4]))
        assert episode.now.row() == row
    return episode.look().frames_thwc


def test_keys_move_the_world_and_the_canvas_shows_its_pixels(opened: Opened, play_world: World):
    opened.clip(7)
    assert np.array_equal(opened.pixels("#world"), render(play_world, script(play_world.spec, 0, 7)).frames_thwc[0])
    for keys in (["ArrowRight"], ["ArrowDown", "d"], ["c"], ["x", "ArrowLeft"], ["ArrowUp"]):
        opened.hold(*keys)
    rows = opened.page.evaluate("playground.rows")
    assert [row[0] for row in rows] == list(range(len(rows)))  # no step is missing
    shown = {tuple(row[1:4]) for row in rows[1:]}
    assert {(1, 2, 4), (4, 3, 4), (4, 7, 4), (2, 0, 4)} <= shown and any(row[3] == 0 for row in rows[1:])
    # Until nothing is on its way any more, the canvas may be ahead of what was read.
    for _ in range(100):
        before, pixels, after = opened.page.evaluate("playground.rows"), opened.pixels("#world"), opened.page.evaluate("playground.rows")
        if before == after:
            break
    assert np.array_equal(pixels, replayed(play_world, 7, after))
    assert opened.page.inner_text("#label-local").startswith(("walk", "cast", "slash"))
    assert opened.page.inner_text("#live").startswith("The character")


def test_keys_that_choose(opened: Opened):
    opened.page.keyboard.press("t")
    assert opened.page.evaluate("[playground.view, document.querySelector('#view :checked').value]") == ["still", "still"]
    for _ in range(3):
        opened.page.keyboard.press("t")
    assert opened.page.evaluate("playground.view") == "true"
    clip = opened.page.evaluate("playground.clip")
    opened.page.keyboard.press("r")
    opened.until(f"playground.clip !== {clip} && playground.clip !== null")
    opened.page.keyboard.press("2")
    opened.hold("ArrowRight", steps=2)
    opened.until("playground.models[0].rows.length >= 2")
    assert opened.page.evaluate("playground.models[0].rows.at(-1)[6]") == 1
    assert opened.page.get_attribute(".codes [data-code='1']", "aria-pressed") == "true"
    opened.page.keyboard.press("?")
    assert opened.page.evaluate("document.querySelector('#help').open")
    before = opened.page.evaluate(STEP)
    opened.page.keyboard.press("ArrowRight")  # of the list, not of the world
    opened.page.keyboard.press("Escape")
    opened.hold("ArrowLeft", steps=1)
    assert all(row[1] == 0 for row in opened.page.evaluate("playground.rows") if row[0] > before)


def test_buttons_under_the_mouse(opened: Opened):
    button = opened.page.get_by_role("button", name="Slash to the left")
    button.hover()
    opened.page.mouse.down()
    opened.until(f"{STEP} >= 2")
    opened.page.mouse.up()
    assert opened.page.evaluate("playground.rows[1].slice(1, 4)") == [4, 7, 4]
    opened.page.focus("[aria-label='Walk up']")
    before = opened.page.evaluate(STEP)
    opened.page.keyboard.press("Enter")
    opened.until(f"playground.rows.some((row) => row[0] > {before} && row[1] === 2)")  # a slash may still be on its way


def test_a_choice_by_mouse_leaves_the_keys_to_the_character(opened: Opened):
    """A button of a choice that kept the focus would take the arrow keys, and change the view in place of walking."""
    opened.page.click("#view label:has([value=still])")
    opened.page.click("#pace label:has([value='20'])")
    opened.hold("ArrowRight", steps=2)
    assert opened.page.evaluate("[playground.view, playground.pace]") == ["still", 20]
    # By keyboard the arrows belong to the choice, and other keys to the page.
    opened.page.focus("#view [value=still]")
    opened.page.keyboard.press("ArrowRight")
    assert opened.page.evaluate("playground.view") == "blank"
    clip = opened.page.evaluate("playground.clip")
    opened.page.keyboard.press("r")
    opened.until(f"playground.clip !== {clip} && playground.clip !== null")


def test_a_choice_of_the_view_forgets_the_picture(opened: Opened):
    buffer = encode_png(np.zeros((96, 128, 3), np.uint8))
    opened.page.set_input_files("#picture-file", {"name": "black.png", "mimeType": "image/png", "buffer": buffer})
    opened.until("document.querySelector('#picture-note').textContent.startsWith('The models begin with black.png')")
    opened.page.keyboard.press("t")  # the server takes the picture back
    assert opened.page.inner_text("#picture-note").startswith("Or drop a picture")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_numbers_of_codes_can_be_read(browser: "Browser", server: Running, scheme: str):
    """The contrast of the text in a bar with the colour of its code, 4.5 : 1 or more (WCAG 2.2, 1.4.3)."""
    opened = Opened(browser, server, color_scheme=scheme)
    # A canvas turns any colour into #rrggbb.
    hexes = """async () => {
        const { codeColour, colour } = await import("/page/runs.js"), context = document.createElement("canvas").getContext("2d");
        const fills = [colour("card"), ...Array.from({ length: 360 }, (_, code) => codeColour(code))];
        return fills.map((fill) => ((context.fillStyle = fill), context.fillStyle));
    }"""
    rgb = np.array([[int(text[i : i + 2], 16) for i in (1, 3, 5)] for text in opened.page.evaluate(hexes)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    card, *codes = linear @ [0.2126, 0.7152, 0.0722]
    assert min((max(card, code) + 0.05) / (min(card, code) + 0.05) for code in codes) >= 4.5
    opened.context.close()


def test_a_page_that_connects_again_is_one_page(browser: "Browser", play_world: World):
    with running(play_world, {}, idle=0.5) as server:
        opened = Opened(browser, server)
        opened.until("!document.body.classList.contains('connected')")
        server.shared.idle = 900
        # Pressed again while the first connection is still being made.
        pressed = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'r', bubbles: true}))"
        opened.page.evaluate(f"[1, 2, 3].forEach(() => {pressed})")
        opened.until("document.body.classList.contains('connected') && playground.rows.length")
        opened.page.wait_for_timeout(200)
        assert server.shared.sessions == 1
        opened.context.close()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(390, 844), (800, 1100), (1600, 1000)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_widths(browser: "Browser", server: Running, width: int, height: int, scheme: str):
    """Nothing is wider than the window, and everything can be reached."""
    opened = Opened(browser, server, viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=width < 500)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    canvas = opened.page.locator("#world").bounding_box()
    assert canvas and canvas["x"] >= 0 and canvas["x"] + canvas["width"] <= width
    assert canvas["width"] / canvas["height"] == pytest.approx(4 / 3, abs=0.02)
    for button in opened.page.locator("button:visible").all():
        box = button.bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= width + 1
    if width < 500:
        opened.page.get_by_role("button", name="Walk right").tap()
        opened.until(f"{STEP} >= 1")
        assert opened.page.evaluate("playground.rows[1][1]") == 1
    opened.context.close()
    assert opened.complaints == []


@pytest.mark.slow
def test_it_connects_again_to_a_server_that_was_stopped(browser: "Browser", play_world: World):
    with running(play_world, {}) as server:
        opened, port = Opened(browser, server), server.port
        opened.clip(11)
    opened.until("!document.body.classList.contains('connected')")
    assert "again" in opened.page.inner_text("#link-state")
    with running(play_world, {}, port=port):
        opened.until("document.body.classList.contains('connected') && playground.clip === 11")
        opened.hold("ArrowRight", steps=2)
    opened.context.close()
    assert [line for line in opened.complaints if "WebSocket" not in line] == []


@pytest.mark.slow
def test_what_models_read_and_what_is_saved(opened: Opened, tmp_path):
    opened.hold("ArrowRight", steps=4)
    opened.page.keyboard.press("i")
    opened.until("document.querySelectorAll('#reading .runs').length >= 3")
    assert "% of the steps match the true animation" in opened.page.inner_text("#reading")
    opened.page.fill("#driver", "Ada")
    for kind in ("gif", "h5"):
        with opened.page.expect_download() as download:
            opened.page.click(f"[data-save={kind}]")
        assert download.value.suggested_filename.endswith(f".{kind}")
    assert Recording.read(download.value.path()).driver.name == "Ada"


@pytest.mark.slow
def test_a_model_that_raises_shows_its_line(browser: "Browser", play_world: World):
    with running(play_world, {"raises": play_models.Raises()}) as server:
        opened = Opened(browser, server)
        opened.page.click(".codes [data-code='2']")
        opened.hold("ArrowRight", steps=3)
        opened.until("!document.querySelector('.problem').hidden")
        assert "no such thought" in opened.page.inner_text(".problem")
        opened.hold("ArrowLeft", steps=3)  # the world goes on
        opened.context.close()
        assert opened.complaints == []


class Unreadable(play_models.Reads):
    """Raises for every video."""

    def infer(self, frames_btchw: np.ndarray) -> dict[str, np.ndarray]:
        raise RuntimeError("no such video")


def test_a_problem_of_a_model_that_only_reads_and_steps_that_are_sent_again(browser: "Browser", play_world: World):
    with running(play_world, {"unreadable": Unreadable()}) as server:
        opened = Opened(browser, server)
        for _ in range(4):
            opened.page.keyboard.press("t")  # frame 0 is sent each time
        opened.hold("ArrowRight")
        steps = [row[0] for row in opened.page.evaluate("playground.rows")]
        assert steps == list(range(len(steps)))
        opened.page.keyboard.press("i")
        opened.until("document.querySelector('#models .problem')?.checkVisibility() ?? false")
        assert "no such video" in opened.page.inner_text("#models .problem")
        assert "no such video" in opened.page.inner_text("#reading-rows") and "is reading" not in opened.page.inner_text("#reading-rows")
        opened.context.close()
        assert opened.complaints == []


def test_a_mask_is_moved_turned_and_painted(browser: "Browser", play_world: World):
    """By keys and by the mouse; the model's frame is what was sent, and the world stands still."""
    expected = np.zeros((96, 128), bool)
    with running(play_world, {"masks": play_models.Masks()}) as server:
        opened = Opened(browser, server)
        opened.page.get_by_role("button", name="Draw the mask").click()
        opened.page.get_by_role("button", name="Clear").click()
        opened.page.get_by_text("Paint", exact=True).click()
        canvas = opened.page.get_by_role("application", name="Mask of masks")
        canvas.focus()
        for key in ("Space", "ArrowRight", "ArrowRight", "Shift+ArrowDown", "Space"):
            canvas.press(key)
        y, x = np.mgrid[:96, :128]
        for centre in ((64, 48), (66, 56)):
            expected |= np.hypot(x - centre[0], y - centre[1]) <= 4
        shown(opened, expected)
        opened.page.get_by_text("Move", exact=True).click()
        for key in ("ArrowLeft", "Shift+ArrowUp", "Shift+ArrowUp"):
            canvas.press(key)
        expected = np.roll(expected, (-16, -1), (0, 1))
        shown(opened, expected)
        box = canvas.bounding_box()
        assert box
        scale = box["width"] / 128
        opened.page.mouse.move(box["x"] + 20.5 * scale, box["y"] + 20.5 * scale)
        opened.page.mouse.down()
        opened.page.mouse.move(box["x"] + 40.5 * scale, box["y"] + 30.5 * scale, steps=5)
        opened.page.mouse.up()
        expected = np.roll(expected, (10, 20), (0, 1))
        shown(opened, expected)
        for _ in range(18):
            canvas.press("e")  # by 5 degrees
        yx = np.argwhere(expected)
        cy, cx = (int(np.floor(value + 0.5)) for value in yx.mean(0))
        turned = np.zeros_like(expected)
        turned[cy + yx[:, 1] - cx, cx - yx[:, 0] + cy] = True  # clockwise on the screen, where y points down
        shown(opened, turned)
        assert opened.page.evaluate("playground.rows.length") == 1
        opened.page.get_by_text("Erase", exact=True).click()
        canvas.press("Enter")
        opened.page.get_by_role("button", name="Draw the mask").click()
        opened.hold("ArrowRight", steps=1)  # the arrows are the world's again
        opened.context.close()
        assert [line for line in opened.complaints if "willReadFrequently" not in line] == []


def shown(opened: Opened, mask_hw: np.ndarray) -> None:
    """Wait until the model shows a mask."""
    for _ in range(50 * PATIENCE):
        pixels = opened.pixels("#screens figure:nth-child(2) canvas")
        if np.array_equal(pixels[..., 0] > 128, mask_hw):
            return
        opened.page.wait_for_timeout(20)
    raise AssertionError("the model never showed the mask")


def test_a_model_that_follows_the_clip_before(browser: "Browser", play_world: World):
    with running(play_world, {"follows": play_models.Follows()}) as server:
        opened = Opened(browser, server)
        opened.hold("ArrowRight", steps=2)
        opened.page.keyboard.press("r")
        opened.until("playground.rows.length === 1")
        opened.page.get_by_text("darker", exact=True).click()
        opened.page.get_by_role("button", name="Read the clip before").click()
        opened.until("(document.querySelector('#reading .driven')?.naturalWidth ?? 0) === 256")
        assert opened.page.get_attribute("#reading .driven", "alt") == "The video, and follows following it (darker)"
        opened.context.close()
        assert opened.complaints == []
