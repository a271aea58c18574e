"""All chargers as tiles, grouped by feeder: arrows move among them, Enter opens one.

The board keeps its tiles across updates and only makes new ones when chargers come or go, so that
focus, hover and scroll position stay where they are.
"""

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from sitecontroller.domain.topology import EvseKey
from ui.presenters.tiles import Group, Tile
from ui.presenters.words import Tone
from ui.widgets.labels import ElidedLabel
from ui.widgets.tile import Density, StationTile

GAP = 8
HEADING = 26
GROUP_GAP = 12


class Board(QWidget):
    """A grid of tiles in groups; its height follows from its width."""

    opened = Signal(str)
    """A tile was pressed: its station id."""
    focused = Signal(QRect)
    """A tile got the focus by an arrow key: bring this rectangle into view."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("scrolled")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self._groups: tuple[Group, ...] = ()
        self._tiles: dict[EvseKey, StationTile] = {}
        self._headings: list[tuple[ElidedLabel, ElidedLabel]] = []
        self._density = Density.ROOMY
        self._columns = 1
        self._spacious = False

    @property
    def tiles(self) -> dict[EvseKey, StationTile]:
        """The tiles by outlet, in reading order."""
        return self._tiles

    @property
    def density(self) -> Density:
        """How dense the tiles are now."""
        return self._density

    def show_groups(self, groups: tuple[Group, ...]) -> None:
        """Show these groups: in place when the outlets are the same, else built anew."""
        keys = [tile.key for group in groups for tile in group.tiles]
        same = keys == list(self._tiles) and [g.circuit_id for g in groups] == [
            g.circuit_id for g in self._groups
        ]
        self._groups = groups
        if same:
            for group in groups:
                for tile in group.tiles:
                    self._tiles[tile.key].show_tile(tile)
            self._fill_headings()
        else:
            self._build(groups, Density.for_count(len(keys), spacious=self._spacious))

    def set_spacious(self, spacious: bool) -> None:
        """Whether the window has room for larger tiles."""
        if spacious == self._spacious:
            return
        self._spacious = spacious
        self._density = Density.for_count(len(self._tiles), spacious=spacious)
        for tile in self._tiles.values():
            tile.set_density(self._density)
        self._arrange()

    def show_tile(self, tile: Tile) -> None:
        """New values of one outlet."""
        if tile.key in self._tiles:
            self._tiles[tile.key].show_tile(tile)

    def show_headings(self, groups: tuple[tuple[str, str, Tone], ...]) -> None:
        """New (circuit id, detail, tone) of the groups' headings."""
        details = {circuit_id: (detail, tone) for circuit_id, detail, tone in groups}
        self._groups = tuple(
            Group(g.circuit_id, g.title, *details.get(g.circuit_id, (g.detail, g.tone)), g.tiles)
            for g in self._groups
        )
        self._fill_headings()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._arrange()
        super().resizeEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = list(self._tiles.values())
        here = next((i for i, tile in enumerate(keys) if tile.hasFocus()), None)
        if here is None:
            super().keyPressEvent(event)
            return
        target = self._neighbour(keys, here, event.key())
        if target is None:
            super().keyPressEvent(event)
            return
        target.setFocus(Qt.FocusReason.TabFocusReason)
        self.focused.emit(target.geometry())

    def _neighbour(self, tiles: list[StationTile], here: int, key: int) -> StationTile | None:
        step = {Qt.Key.Key_Right: 1, Qt.Key.Key_Left: -1}.get(Qt.Key(key))
        if step is not None:
            return tiles[here + step] if 0 <= here + step < len(tiles) else None
        if key == Qt.Key.Key_Home:
            return tiles[0]
        if key == Qt.Key.Key_End:
            return tiles[-1]
        if key not in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            return None
        center = tiles[here].geometry().center()
        down = key == Qt.Key.Key_Down
        rows = [t for t in tiles if (t.y() > tiles[here].y() if down else t.y() < tiles[here].y())]
        if not rows:
            return None
        row_y = min(t.y() for t in rows) if down else max(t.y() for t in rows)
        row = [t for t in rows if t.y() == row_y]
        return min(row, key=lambda t: abs(t.geometry().center().x() - center.x()))

    def _build(self, groups: tuple[Group, ...], density: Density) -> None:
        for old in self._tiles.values():
            old.deleteLater()
        for pair in self._headings:
            for label in pair:
                label.deleteLater()
        self._density = density
        self._tiles, self._headings = {}, []
        for group in groups:
            title, detail = (
                ElidedLabel(bold=True, parent=self),
                ElidedLabel(size_px=12, muted=True, parent=self),
            )
            detail.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self._headings.append((title, detail))
            for tile in group.tiles:
                made = StationTile(tile, density, self)
                made.clicked.connect(lambda _=False, key=tile.key: self.opened.emit(key.station_id))
                self._tiles[tile.key] = made
        self._fill_headings()
        self._arrange()
        for child in self.findChildren(QWidget):
            child.show()

    def _fill_headings(self) -> None:
        for group, (title, detail) in zip(self._groups, self._headings, strict=True):
            title.setText(group.title)
            detail.setText(group.detail)
            detail.set_tone(group.tone)

    def _arrange(self) -> None:
        size = self._density.value
        width = max(self.width(), size.width_min)
        self._columns = max(1, (width + GAP) // (size.width_min + GAP))
        longest = max((len(group.tiles) for group in self._groups), default=1)
        self._columns = min(self._columns, max(longest, 4))
        cell = (width - GAP * (self._columns - 1)) / self._columns
        y = 0
        for group, (title, detail) in zip(self._groups, self._headings, strict=True):
            title_width = min(width // 2, title.sizeHint().width() + 4)
            title.setGeometry(2, y, title_width, HEADING)
            detail.setGeometry(title_width + 12, y, width - title_width - 14, HEADING)
            y += HEADING
            for index, tile in enumerate(group.tiles):
                column, row = index % self._columns, index // self._columns
                left, right = round(column * (cell + GAP)), round(column * (cell + GAP) + cell)
                top = y + row * (size.height + GAP)
                self._tiles[tile.key].setGeometry(left, top, right - left, size.height)
            rows = -(-len(group.tiles) // self._columns)
            y += rows * (size.height + GAP) - GAP + GROUP_GAP
        self.setMinimumHeight(max(0, y - GROUP_GAP + 2))
