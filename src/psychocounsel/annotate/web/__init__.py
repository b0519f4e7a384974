"""web: the raters' and the coordinator's pages, rendered here; a page loads nothing from anywhere else."""

from psychocounsel.annotate.web.app import make_app

__all__ = ["make_app"]
