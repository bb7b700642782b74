"""`python -m token_catcher` is `token-catcher`."""

from token_catcher.cli import main

if __name__ == "__main__":
    main()
