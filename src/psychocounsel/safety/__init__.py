"""The risk screen: which of four levels of danger a client's words hold, and which words say so.

The levels are those of docs/risk.md. Their order, and the line between `elevated` and `imminent` for suicide, follow
the screener of the Columbia-Suicide Severity Rating Scale (C-SSRS; Posner K et al. 2011, Am J Psychiatry
168:1266-1277): wish to be dead, thoughts, method, intent, plan, behaviour. The cues, the context rules and every row
on other dangers (self-harm, abuse, harm to others, children, a body in danger) are ours, and nobody has validated
them. The scale is for a trained interviewer; this is a program that looks for words. It is no clinical assessment and
decides only what a program may do with a text. It works offline, in English, and fails towards caution: it misses
danger said in words that no rule foresees, so `none` is never proof of safety.

`responses` reads the other side: what a response to a client at risk does and does not (`check`), and whether any
response gives medical advice (`medical_advice`).
"""

from psychocounsel.safety.responses import ResponseCheck, check, medical_advice
from psychocounsel.safety.screening import Risk, Sign, at_least, rules_alone, screen

__all__ = [
    "ResponseCheck",
    "Risk",
    "Sign",
    "at_least",
    "check",
    "medical_advice",
    "rules_alone",
    "screen",
]
