"""rich, loaded with the first line for a person: `--json` and `--csv` do without it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

__all__ = ["Console", "Table", "Text", "cell_len"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rich import cells, console, table, text

    globals().update(
        Console=console.Console,
        Table=table.Table,
        Text=text.Text,
        cell_len=cells.cell_len,
    )
    return globals()[name]
