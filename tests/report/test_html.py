"""The report: all sections are present, nothing is loaded, written in part or unescaped."""

from __future__ import annotations

import base64
import copy
import re
from html.parser import HTMLParser
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from stradiff.data.recording import Recording
from stradiff.errors import InputError, StorageError
from stradiff.report import html, write_report
from stradiff.report.html import render_report

SECTIONS = {"warnings", "recording", "sources", "losses", "error"}
SECTIONS |= {"length-scales", "paths", "mixing", "settings", "reading"}


class Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def every(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def _undrawn(axes, alt, caption):
    """An empty picture with the right words: drawing takes most of the time of a page."""
    return html.Picture("data:image/png;base64,iVBORw0KGgo=", alt, caption, 900)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(html, "_picture", _undrawn)


@pytest.fixture(scope="module")
def page(linear_fit, recording, truth):
    return Page(render_report(linear_fit, recording, truth=truth))


@pytest.fixture(scope="module")
def nonlinear_page(nonlinear_fit, recording):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html, "_picture", _undrawn)
        return Page(render_report(nonlinear_fit, recording, title="<b>Mine</b> & yours"))


def test_a_post_nonlinear_fit_shows_its_curves(nonlinear_fit, recording):
    """One picture more, and words of its own in the sentence."""
    levels = np.linspace(-3.0, 3.0, 61)
    fit = SimpleNamespace(**{**vars(nonlinear_fit), "map_": "post_nonlinear"})
    fit.curves_ = (levels, np.tanh(levels)[:, None] * np.ones((1, 4)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(html, "_picture", _undrawn)
        pages = [render_report(one, recording) for one in (nonlinear_fit, fit)]
    assert len(Page(pages[1]).every("img")) == len(Page(pages[0]).every("img")) + 1
    assert "one increasing curve per channel" in pages[1] and "small neural network" in pages[0]


def test_every_section_is_there_and_linked(page):
    identifiers = {attributes.get("id") for _, attributes in page.elements} - {None}
    assert identifiers >= SECTIONS
    assert {link["href"] for link in page.every("a")} == {f"#{section}" for section in SECTIONS}


def test_every_picture_is_embedded_and_has_alternative_text(page):
    pictures = page.every("img")
    assert len(pictures) == 11  # recording, sources, spectra, losses, error, truth, scales, 3 paths, mixing
    for picture in pictures:
        kind, data = picture["src"].split(",")
        assert kind == "data:image/png;base64"
        with Image.open(BytesIO(base64.b64decode(data))) as image:
            image.verify()
            assert image.width > 400
        assert len(picture["alt"].split()) >= 4


@pytest.mark.parametrize("name", ["page", "nonlinear_page"])
def test_nothing_is_loaded_from_elsewhere(name, request):
    page = request.getfixturevalue(name)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    assert len(page.every("style")) == 1
    for _, attributes in page.elements:
        assert not [key for key in attributes if key.startswith("on")]
        for key in ("src", "href", "srcset", "action", "poster"):
            assert (attributes.get(key) or "#").startswith(("#", "data:image/png;base64,"))


def test_the_style_has_no_address_and_no_import(quick, linear_fit, recording):
    text = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]+", "", render_report(linear_fit, recording))
    assert not re.search(r"https?:|//[a-z]|url\(|@import|@font-face", text)


def test_the_content_security_policy_forbids_loading(page):
    policy = [meta["content"] for meta in page.every("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


@pytest.mark.parametrize(
    "words",
    [
        "4 channels of “walk” (400 samples, 6.234 s at 64 Hz) are explained by 3 sources",
        "mixed by a linear map",
        "account for 100.0 % of the channels' variance",
        "Training used all of its 120 epochs (12.5 s) and had not yet converged",
        "raise max_epochs",
        "Epoch 1.", "Epoch 60.", "Epoch 120.",
        "objective.nu_y 0.01", "training.record_epochs 1, 60, 120", "prior.3.name rbf",
        "preset default", "Seed: 7", "jax 0.10.2",
        "prior length-scale", "source 1 rbf",
        "plus and minus 1.96 posterior standard deviations",
        "0.6234",  # length-scale 0.1 of 6.234 s
    ],
)  # fmt: skip
def test_the_text_of_the_page(page, words):
    assert words in page.text


def test_titles_and_names_are_escaped(quick, nonlinear_page, linear_fit, recording):
    assert "<b>Mine</b> & yours" in nonlinear_page.text
    assert not nonlinear_page.every("b")
    hostile = Recording(recording.values, None, 64.0, recording.channel_names, "mg", "<script>alert(1)</script>")
    fit = copy.copy(linear_fit)
    fit.warnings_ = ["<img src=x onerror=alert(1)>"]
    fit.fit_info_ = linear_fit.fit_info_ | {"settings": linear_fit.fit_info_["settings"] | {"<i>": "<u>"}}
    page = Page(render_report(fit, hostile))
    assert not page.every("script") + page.every("i") + page.every("u")
    assert all(image["src"].startswith("data:") for image in page.every("img"))


def test_without_truth_the_page_does_not_mention_it(nonlinear_page):
    assert "Agreement with the truth" not in nonlinear_page.text
    assert "correlation with the truth" not in nonlinear_page.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"interrupted_": True}, "Training was interrupted after 120 epochs"),
        ({"converged_": True}, "Training converged after 120 epochs"),
        ({"warnings_": []}, "The fit gave no warnings."),
        ({"n_epochs_": 0, "history_": {}, "recorded_epochs_": (0,)}, "No epoch was trained"),
        ({"recorded_epochs_": ()}, "No path was recorded in this fit"),
    ],
)
def test_the_page_states_how_the_fit_ended(quick, linear_fit, recording, changes, words):
    fit = copy.copy(linear_fit)
    vars(fit).update(changes)
    assert words in Page(render_report(fit, recording)).text


def test_stability_is_shown_and_explained_where_there_were_restarts(quick, nonlinear_page, linear_fit, recording):
    fit = copy.copy(linear_fit)
    fit.fit_info_ = {**linear_fit.fit_info_, "stability": [0.9912, 0.7034, 0.9523]}
    text = Page(render_report(fit, recording)).text
    assert "0.7034" in text and "Stability over restarts" in text
    assert "stability" not in nonlinear_page.text.lower()


def test_irregular_times_have_no_spectrum(quick, linear_fit, recording):
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.03, recording.n_samples))
    irregular = Recording(recording.values, times, None, recording.channel_names, None, "uneven")
    page = Page(render_report(linear_fit, irregular))
    assert "irregular in time" in page.text
    assert "Spectra" not in page.text
    assert len(page.every("img")) == 9


def test_file_holds_the_page(quick, linear_fit, recording, tmp_path):
    path = write_report(linear_fit, recording, tmp_path / "report.html")
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8") == render_report(linear_fit, recording)
    assert list(tmp_path.iterdir()) == [path]


def test_another_recording_is_refused_and_the_old_page_is_kept(linear_fit, recording, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    shorter = Recording(recording.values[:-1], None, 64.0, recording.channel_names)
    with pytest.raises(InputError, match="made from 400 samples of 4 channels"):
        write_report(linear_fit, shorter, path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_one_sentence(quick, linear_fit, recording, tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        write_report(linear_fit, recording, tmp_path / "nowhere" / "report.html")
