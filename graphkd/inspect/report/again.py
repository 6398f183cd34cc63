"""Write the page of a run anew, for somebody who asks."""

from __future__ import annotations

from pathlib import Path

from graphkd.errors import mistake
from graphkd.inspect.report.page import write_report
from graphkd.inspect.report.seeds import seeds_in


def report_again(folder: Path) -> Path:
    """Write the page of a run, and those of its seeds.

    Args:
        folder: of a run, or of one of its seeds.

    Returns:
        The page.

    Raises:
        BlueprintError: the folder is no run, or the page cannot be written.
    """
    if not folder.exists():
        raise mistake(f"{folder}: no such folder")
    place = folder.resolve()
    if not (place / "blueprint.yaml").is_file() and place not in seeds_in(place.parent):
        raise mistake(
            f"{folder}: is no run of graphkd (it holds no blueprint.yaml); "
            "name the folder that 'graphkd train' printed"
        )
    try:
        for each in seeds_in(place):
            write_report(each)
        # at last: with each seed the page of all was written too
        write_report(place)
    except OSError as error:
        raise mistake(f"{folder}: the page cannot be written: {error.strerror}") from error
    return folder / "report.html"
