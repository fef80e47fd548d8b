"""Settings of servers whose tests are about something else than limits: all of them are off."""

from server.settings import Settings, variable

NO_LIMITS: dict[str, int] = {
    name: 0
    for name in Settings.model_fields
    if name.endswith(("_per_minute", "_per_hour", "_running_turns", "daily_tokens"))
}
NO_LIMITS_IN_THE_ENVIRONMENT = {variable(name): "0" for name in NO_LIMITS}
