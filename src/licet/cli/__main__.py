"""Run `licet` as `python -m licet.cli`."""

from licet.cli.main import main

main()
