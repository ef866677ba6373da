"""``python -m infinium_integrations`` is ``infinium-traces``."""

from infinium_integrations.cli.main import main

if __name__ == "__main__":
    main(prog_name="infinium-traces")
