"""What the overview shows while the site has no chargers: how to connect the first one."""

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLineEdit, QVBoxLayout, QWidget

from sitecontroller.domain.views import SiteView
from ui.i18n.texts import translate
from ui.presenters import units
from ui.widgets.buttons import button
from ui.widgets.labels import PlainLabel

EXAMPLE_ID = "CP-01"


class FirstCharger(QFrame):
    """Three steps and the address to enter at the charger."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("panel")
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 20)
        column.setSpacing(12)
        column.addWidget(PlainLabel(translate("First", "No chargers yet"), size_px=18, bold=True))
        column.addWidget(
            PlainLabel(
                translate("First", "Connect the first one with the charger's own set-up page:"),
                muted=True,
            )
        )
        row = QHBoxLayout()
        self._address = QLineEdit()
        self._address.setReadOnly(True)
        self._address.setAccessibleName(translate("First", "Address for the charger"))
        self._copy = button(translate("First", "Copy"))
        self._copy.clicked.connect(self._to_clipboard)
        row.addWidget(self._address, 1)
        row.addWidget(self._copy)
        row.addStretch(1)
        column.addWidget(
            PlainLabel(
                translate("First", "1   Enter this as the address of the central system (OCPP):")
            )
        )
        column.addLayout(row)
        self._second = PlainLabel(wrap=True)
        self._third = PlainLabel(wrap=True)
        column.addWidget(self._second)
        column.addWidget(self._third)
        column.addStretch(1)

    def need(self) -> int:
        """The height at which nothing is cut off."""
        return self.sizeHint().height() + 8

    def show_site(self, site: SiteView) -> None:
        """Show this site's address and how it takes new chargers."""
        base = site.ocpp_url.rstrip("/")
        if base.endswith("{station_id}"):
            base = base[: -len("/{station_id}")]
        self._address.setText(f"{base}/")
        self._second.setText(
            translate(
                "First",
                "2   Give it a name of its own, such as {name}; chargers that add it themselves "
                "connect to {url}",
            ).format(name=EXAMPLE_ID, url=f"{base}/{EXAMPLE_ID}")
        )
        if site.commissioning_until is not None:
            until = units.clock_time(site.commissioning_until, site.time_zone)
            text = translate(
                "First",
                "3   It appears here within a minute; accept it then. "
                "New chargers are welcome until {time}.",
            ).format(time=until)
        else:
            text = translate(
                "First",
                "3   List it in the site's file, or start the controller with "
                "--commissioning 30m and accept it here.",
            )
        self._third.setText(text)

    def _to_clipboard(self) -> None:
        QGuiApplication.clipboard().setText(self._address.text())
