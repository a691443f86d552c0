"""Ask several chat models the same question; only the string that names the model changes.

python examples/swap_provider.py extractive huggingface:path/to/model openai:gpt-4o-mini
"""

import sys

from rag_app import RagApp

QUESTION = "Who published word2vec?"

RagApp().index()
for llm in sys.argv[1:] or ["extractive"]:
    print(f"{llm}: {RagApp(llm=llm).ask(QUESTION).text}")
