"""``python -m photopeak``."""

from photopeak.cli import main

if __name__ == "__main__":
    main()
