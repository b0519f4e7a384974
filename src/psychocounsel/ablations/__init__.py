"""ablations: variants of one recipe, each run beside it, and one table of what each change does."""

from psychocounsel.ablations.runs import Made, ablate, tell_report
from psychocounsel.ablations.table import TABLE, narrow_tables, tabulate, write_table
from psychocounsel.ablations.variants import FOLDER, Variant, variants_of

__all__ = [
    "FOLDER",
    "TABLE",
    "Made",
    "Variant",
    "ablate",
    "narrow_tables",
    "tabulate",
    "tell_report",
    "variants_of",
    "write_table",
]
