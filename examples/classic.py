"""LangChain's classic three lines over an exported index (extra compat).

rag export --langchain data/faiss
python examples/classic.py extractive
"""

import argparse

from langchain_classic.chains import RetrievalQA
from langchain_community.vectorstores import FAISS

from rag_app import RagApp

parser = argparse.ArgumentParser()
parser.add_argument("llm", metavar="PROVIDER:MODEL")

app = RagApp(llm=parser.parse_args().llm)
embeddings, llm = app.embedding.embeddings, app.llm

store = FAISS.load_local("data/faiss", embeddings, allow_dangerous_deserialization=True)
chain = RetrievalQA.from_chain_type(llm, retriever=store.as_retriever())
print(chain.invoke("Who published word2vec?")["result"])
