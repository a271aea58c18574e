"""Paper as PDF: one column on A4, every character embedded. A receipt's is narrow.

Runs in the process pool: one importable function, plain values in, bytes out. The same paper
gives the same bytes: nothing of the file depends on the clock.
"""

from collections.abc import Iterable
from datetime import datetime
from importlib import resources

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from sitecontroller.domain.receipt import ReceiptDocument
from sitecontroller.printing.layout import (
    Block,
    Heading,
    Item,
    Pair,
    Row,
    Rule,
    Sentence,
    receipt_blocks,
)
from sitecontroller.printing.texts import texts

_FONT = "DejaVu"
_COLUMN_MM = 110.0
PAGE_COLUMN_MM = 170.0
_ITEM_MM = 6.0
_LEFT_MM = 20.0
_TOP_MM = 18.0
_SIZE_PT = 9.0
_HEADING_PT = 14.0
_LINE_MM = 5.0
_LABEL_SHARE = 0.45


def receipt_pdf(receipt: ReceiptDocument, language: str = "en", copy: bool = False) -> bytes:
    """The receipt on paper; `copy` marks a reprint. InvalidInput for an unknown language."""
    words = texts(language)
    return paper(
        f"{words['title']} {receipt.number}",
        receipt_blocks(receipt, words, copy=copy),
        receipt.issued_at,
        language=language,
        column_mm=_COLUMN_MM,
    )


def paper(
    title: str,
    blocks: Iterable[Block],
    issued_at: datetime,
    *,
    language: str = "en",
    column_mm: float = PAGE_COLUMN_MM,
) -> bytes:
    """Blocks from top to bottom, on as many pages as they need."""
    pdf = FPDF(format="A4")
    pdf.set_creation_date(issued_at)
    pdf.set_lang(language)
    pdf.set_title(title)
    pdf.set_margins(_LEFT_MM, _TOP_MM, pdf.w - _LEFT_MM - column_mm)
    fonts = resources.files(__package__) / "fonts"
    for style, name in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
        with resources.as_file(fonts / name) as file:
            pdf.add_font(_FONT, style, str(file))
    pdf.add_page()
    for block in blocks:
        _draw(pdf, block)
    return bytes(pdf.output())


def _draw(pdf: FPDF, block: Block) -> None:
    match block:
        case Heading(text):
            pdf.set_font(_FONT, "B", _HEADING_PT)
            _paragraph(pdf, text, 1.5 * _LINE_MM)
        case Sentence(text, bold):
            pdf.set_font(_FONT, "B" if bold else "", _SIZE_PT)
            _paragraph(pdf, text, _LINE_MM)
        case Item(text):
            pdf.set_font(_FONT, "", _SIZE_PT)
            pdf.set_x(_LEFT_MM + _ITEM_MM)
            _paragraph(pdf, text, _LINE_MM, pdf.epw - _ITEM_MM)
        case Pair(label, value, bold):
            pdf.set_font(_FONT, "B" if bold else "", _SIZE_PT)
            _pair(pdf, label, value)
        case Row(cells, bold):
            pdf.set_font(_FONT, "B" if bold else "", _SIZE_PT)
            _row(pdf, cells)
        case Rule():
            y = pdf.get_y() + 0.4 * _LINE_MM
            pdf.line(_LEFT_MM, y, _LEFT_MM + pdf.epw, y)
            pdf.set_y(y + 0.4 * _LINE_MM)


def _paragraph(pdf: FPDF, text: str, height_mm: float, width_mm: float | None = None) -> None:
    pdf.multi_cell(
        pdf.epw if width_mm is None else width_mm,
        height_mm,
        text,
        align="L",
        new_x=XPos.LMARGIN,
        new_y=YPos.NEXT,
    )


def _pair(pdf: FPDF, label: str, value: str) -> None:
    """Side by side where both fit, else the value on lines of its own."""
    width = pdf.get_string_width
    if width(label) + width(value) + 2 * _LINE_MM > pdf.epw:
        _paragraph(pdf, label, _LINE_MM)
        pdf.multi_cell(pdf.epw, _LINE_MM, value, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        return
    label_mm = max(_LABEL_SHARE * pdf.epw, width(label) + _LINE_MM)
    label_mm = min(label_mm, pdf.epw - width(value) - _LINE_MM)
    pdf.cell(label_mm, _LINE_MM, label)
    pdf.cell(pdf.epw - label_mm, _LINE_MM, value, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _row(pdf: FPDF, cells: tuple[str, ...]) -> None:
    width_mm = pdf.epw / len(cells)
    for cell in cells[:-1]:
        pdf.cell(width_mm, _LINE_MM, cell, align="L" if cell is cells[0] else "R")
    pdf.cell(width_mm, _LINE_MM, cells[-1], align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
