"""exchange: a study's answers out to other tools and back in, and the form that is filled without a server."""

from psychocounsel.annotate.exchange.incoming import Imported, Refused, import_answers
from psychocounsel.annotate.exchange.offline import write_form
from psychocounsel.annotate.exchange.out import FORMATS, Format, export_study

__all__ = ["FORMATS", "Format", "Imported", "Refused", "export_study", "import_answers", "write_form"]
