"""`python -m reason_cli`, the same as `reason`."""

from reason_cli.cli.main import main

main()
