__version__: str
__git_version__: str

def set_log_level(level: str) -> None: ...
