"""Index a folder, ask one question and print the answer with its quotes."""

from rag_app import RagApp

app = RagApp(documents="data/documents")
app.index()
answer = app.ask("Who published word2vec?")

print(answer.text)
for citation in answer.citations:
    print(f"[{citation.n}] {citation.source}: {citation.quote}")
