"""align: the base policy, preferring - DPO on the pairs, then rounds of DPO on the policy's own best and worst."""

from psychocounsel.align.dpo import make_dpo
from psychocounsel.align.rounds import Candidate, best_and_worst, make_chosen, make_round

__all__ = ["Candidate", "best_and_worst", "make_chosen", "make_dpo", "make_round"]
