"""An advice as one self-contained HTML page. This room computes nothing that is about the bounds."""

from rsgadvise.show.html.page import Command, Page, render

__all__ = ["Command", "Page", "render"]
