"""What is no markup is escaped, wherever it is put."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from solvestream.observe.report.markup import Markup, element, empty, join, number


class Reader(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self):
        super().__init__()
        self.text, self.elements = "", []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@given(st.text(st.characters(exclude_characters="\r\x00", exclude_categories=["Cs"])))
def test_any_text_comes_back_as_text(text):
    """Inside an element and inside an attribute, and no further element comes of it."""
    reader = Reader()
    reader.feed(element("p", text, title=text))
    reader.close()
    assert reader.elements == [("p", {"title": text})]
    assert reader.text == text


def test_names_are_as_in_python():
    """`class_` and `aria_label`; what is `None` is left out."""
    made = element("a", class_="x", aria_label="y", hidden=None)
    assert made == '<a class="x" aria-label="y"></a>'
    assert empty("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_markup_is_left_as_it_is():
    """And only that: a plain text between two elements is escaped."""
    assert join(element("b", "<"), "<", Markup("<i>")) == "<b>&lt;</b>&lt;<i>"


def test_numbers_are_written_to_a_tenth():
    """Without a tenth that says nothing."""
    assert [number(value) for value in (1.0, 1.25, -0.5, 100)] == ["1", "1.2", "-0.5", "100"]
