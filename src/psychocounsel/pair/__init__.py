"""pair: ratings to preference pairs by the paper's rules, and the released dataset's layout out and in."""

from psychocounsel.pair.exchange import load_released, released_row, trl_row, write_released, write_trl
from psychocounsel.pair.stage import Paired, make, pair

__all__ = ["Paired", "load_released", "make", "pair", "released_row", "trl_row", "write_released", "write_trl"]
