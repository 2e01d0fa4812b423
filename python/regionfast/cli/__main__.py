"""`python -m regionfast.cli`, where the script is not on the path."""

from regionfast.cli import main

main(prog_name="regionfast")
