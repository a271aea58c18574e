"""A receipt as PDF: one narrow column on A4, every character embedded.

Runs in the process pool: one importable function, plain values in, bytes out. The same receipt
gives the same bytes: nothing of the file depends on the clock.
"""

from importlib import resources

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from sitecontroller.domain.receipt import ReceiptDocument
from sitecontroller.printing.layout import (
    Block,
    Heading,
    Pair,
    Row,
    Rule,
    Sentence,
    receipt_blocks,
)
from sitecontroller.printing.texts import texts

_FONT = "DejaVu"
_COLUMN_MM = 110.0
_LEFT_MM = 20.0
_TOP_MM = 18.0
_SIZE_PT = 9.0
_HEADING_PT = 14.0
_LINE_MM = 5.0
_LABEL_SHARE = 0.45


def receipt_pdf(receipt: ReceiptDocument, language: str = "en", copy: bool = False) -> bytes:
    """The receipt on paper; `copy` marks a reprint. InvalidInput for an unknown language."""
    words = texts(language)
    pdf = FPDF(format="A4")
    pdf.set_creation_date(receipt.issued_at)
    pdf.set_lang(language)
    pdf.set_title(f"{words['title']} {receipt.number}")
    pdf.set_margins(_LEFT_MM, _TOP_MM)
    fonts = resources.files(__package__) / "fonts"
    for style, name in (("", "DejaVuSans.ttf"), ("B", "DejaVuSans-Bold.ttf")):
        with resources.as_file(fonts / name) as file:
            pdf.add_font(_FONT, style, str(file))
    pdf.add_page()
    for block in receipt_blocks(receipt, words, copy=copy):
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
        case Pair(label, value, bold):
            pdf.set_font(_FONT, "B" if bold else "", _SIZE_PT)
            _pair(pdf, label, value)
        case Row(cells, bold):
            pdf.set_font(_FONT, "B" if bold else "", _SIZE_PT)
            _row(pdf, cells)
        case Rule():
            y = pdf.get_y() + 0.4 * _LINE_MM
            pdf.line(_LEFT_MM, y, _LEFT_MM + _COLUMN_MM, y)
            pdf.set_y(y + 0.4 * _LINE_MM)


def _paragraph(pdf: FPDF, text: str, height_mm: float) -> None:
    pdf.multi_cell(_COLUMN_MM, height_mm, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _pair(pdf: FPDF, label: str, value: str) -> None:
    """Side by side where both fit, else the value on lines of its own."""
    width = pdf.get_string_width
    if width(label) + width(value) + 2 * _LINE_MM > _COLUMN_MM:
        _paragraph(pdf, label, _LINE_MM)
        pdf.multi_cell(_COLUMN_MM, _LINE_MM, value, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        return
    label_mm = max(_LABEL_SHARE * _COLUMN_MM, width(label) + _LINE_MM)
    label_mm = min(label_mm, _COLUMN_MM - width(value) - _LINE_MM)
    pdf.cell(label_mm, _LINE_MM, label)
    pdf.cell(_COLUMN_MM - label_mm, _LINE_MM, value, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _row(pdf: FPDF, cells: tuple[str, ...]) -> None:
    width_mm = _COLUMN_MM / len(cells)
    for cell in cells[:-1]:
        pdf.cell(width_mm, _LINE_MM, cell, align="L" if cell is cells[0] else "R")
    pdf.cell(width_mm, _LINE_MM, cells[-1], align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
