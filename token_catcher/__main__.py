"""`token-catcher`, and `python -m token_catcher`: ready for signals before anything else."""

from token_catcher import signals


def main() -> None:
    """The console script."""
    signals.leave_at_once()
    # Not above: this takes most of the first second, in which a signal may come.
    from token_catcher import cli

    cli.main()


if __name__ == "__main__":
    main()
