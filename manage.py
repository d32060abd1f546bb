#!/usr/bin/env python
"""Rapport's command line: `python manage.py help` lists what it can do."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent / "platform"))
    from rapport.__main__ import main

    main()
