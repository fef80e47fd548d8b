"""SQL files applied in order by `persistence.migrate`; a package so that they are shipped."""
