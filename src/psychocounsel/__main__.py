"""`python -m psychocounsel`."""

from psychocounsel.cli.main import main

main()
