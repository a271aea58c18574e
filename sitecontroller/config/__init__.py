"""`site.toml`: what an electrician fixes. A file for each family of sections, `site` for all."""

from sitecontroller.config.files import FileSettings
from sitecontroller.config.limit_sources import (
    HttpSignal,
    LimitSourceSettings,
    ModbusSignal,
    MqttSignal,
    OpenAdrSignal,
    Reading,
    Secret,
    WindowsSignal,
)
from sitecontroller.config.load import LoadSettings
from sitecontroller.config.ocpp import (
    OcppSettings,
    OfflineSettings,
    PlugAndChargeSettings,
    SecuritySettings,
)
from sitecontroller.config.planning import PlanningSettings
from sitecontroller.config.site import ApiSettings, SiteConfig, load_config, parse_config

__all__ = [
    "ApiSettings",
    "FileSettings",
    "HttpSignal",
    "LimitSourceSettings",
    "LoadSettings",
    "ModbusSignal",
    "MqttSignal",
    "OcppSettings",
    "OfflineSettings",
    "OpenAdrSignal",
    "PlanningSettings",
    "PlugAndChargeSettings",
    "Reading",
    "Secret",
    "SecuritySettings",
    "SiteConfig",
    "WindowsSignal",
    "load_config",
    "parse_config",
]
