"""HTML as lines."""

from __future__ import annotations

import pytest

from token_catcher.reading import markup
from token_catcher.reading.markup import AmbiguousMarkup, Readings


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a<br>b<BR/>c<br />d", "a\nb\nc\nd"),
        ("<p>a</p><p>b</p>\n<div>c</div>", "a\nb\nc"),
        ("<html><head><title>t</title></head><body>a</body></html>", "t\na"),
        ("a\nb   c\t d", "a b c d"),
        ("<b>a</b><span style='x'>b</span> <i>c</i>", "ab c"),
        ("<tr><td>a:</td><td>b</td></tr><tr><th>c</th></tr>", "a: b\nc"),
        ("<ul><li>a<li>b</ul>", "a\nb"),
        ("<pre>a\n b</pre>c\nd", "a\nb\nc d"),
        ("<textarea>a\nb</textarea>", "a\nb"),
        ("</pre>a\nb", "a b"),
        ("a&nbsp;&amp;&#98;&#x63;&lt;br&gt;d", "a &bc<br>d"),
        ('<!DOCTYPE html PUBLIC "-//W3C//DTD" "http://www.w3.org/x.dtd">a', "a"),
        ("a<!-- x -->b<!---->c", "abc"),
        ("<o:p>a</o:p><a href=http://x.example/?a=b&c=d title='x' data-x>b</a>", "ab"),
        ("<style>p {color: red}</style><script>x</script>", "p {color: red}\nx"),
        ("<div style='display:none'>a</div>", "a"),
        ("<pre>a&#13;b&#8232;c&#133;d&#11;e</pre>", "a\nb\nc…de"),
        ("", ""),
    ],
)
def test_shows_lines(text: str, shown: str) -> None:
    """Tags that break lines do, white space folds, entities are letters, and nothing is hidden."""
    assert markup.read_page(text).shown == shown


def test_line_ends_of_the_source() -> None:
    """In the second reading the line ends of the source count too, also those of entities."""
    assert markup.read_page("<div>a\nb&#10;c&#8232;d</div>e") == Readings(
        "a b c d\ne", "a\nb\nc\nd\ne", ""
    )


def test_hidden_text() -> None:
    """Comments lose their tags and are kept; attributes are kept where they have lines."""
    page = markup.read_page("x<!-- a<br>b --><a title='c\nd' href=\"e\" alt=f&#10;g>h</a>")
    assert page == Readings("xh", "xh", "a\nb\nc\nd\nf\ng")


@pytest.mark.parametrize(
    "text",
    [
        "a < b",
        "<",
        "<>",
        "<a",
        "<a href=x",
        "<a <b>",
        "<1>",
        "<?x?>",
        "<!x>",
        "<![CDATA[x]]>",
        "<a href='x>",
        '<a title="x>y">',
        '<a title="x<y">',
        "<a title='x'y='z'>",
        '<a ">',
        "<a =x>",
        "<a x=>",
        "</ a>",
        "<!-- x",
        "<!-- x --",
        "<!-->x-->",
        "<!--->x-->",
        "<!-- x --!> y -->",
        "<!-- <!-- x -->",
        "<<!-- x -->b>",
        "<b <!-- x -->>",
        "<!-- x <!--[if !mso]><!--> y -->",
        "<![if <b>]>x",
        "<![if x]y]>x",
        '<a title="<!-- x -->',
    ],
)
def test_markup_of_no_plain_form(text: str) -> None:
    """What a browser and another reader could see differently is not read."""
    with pytest.raises(AmbiguousMarkup, match="of no plain form"):
        markup.read_page(text)


@pytest.mark.parametrize("text", ["x" * 65_537, "<b>" * 2001])
def test_large_pages(text: str) -> None:
    """A page of more than 64 kB or 2,000 tags is not read."""
    with pytest.raises(AmbiguousMarkup, match="a large HTML part"):
        markup.read_page(text)


def test_the_largest_page() -> None:
    """A page of 64 kB with 2,000 tags is read."""
    assert markup.read_page("<b>" * 2000 + "x" * (65_536 - 6000)).shown == "x" * (65_536 - 6000)


def test_without_tags() -> None:
    """For a careless look every tag is a line end."""
    assert markup.without_tags("a<br>b<p class='x'>c < d") == "a\nb\nc < d"


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("<![if !mso]>", "<![endif]>"),
        ("<!--[if !mso]><!-->", "<!--<![endif]-->"),
        ("<!--[if !mso]><!-- -->", "<!--<![endif]-->"),
        ("<!--[if (gte mso 9)|(IE)]><!---->", "<!--<![endif]-->"),
        ("<!--[if !vml]>-->", "<!--<![endif]-->"),
    ],
)
def test_downlevel_revealed_conditions(begin: str, end: str) -> None:
    """What a conditional comment shows to all programs but one is text like any other."""
    page = markup.read_page(f"<p>a{begin}b<br>c{end}d</p>")
    assert page.shown == page.written == "ab\ncd"
    assert "b" not in page.hidden
