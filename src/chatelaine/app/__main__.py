"""``python -m chatelaine.app`` is the console script."""

from chatelaine.app.main import main

if __name__ == "__main__":
    main()
