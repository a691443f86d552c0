"""``python -m rag_app`` is the ``rag`` command."""

import sys

from rag_app.cli import main

sys.exit(main())
