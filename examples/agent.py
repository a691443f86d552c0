"""An agent that asks your documents and shows the quotes behind its answer (extra openai).

python examples/agent.py openai:gpt-4o-mini "Who published word2vec, and when was LoRA published?"
"""

import argparse

from langchain.agents import create_agent
from langchain_core.messages import ToolMessage

from rag_app import RagApp

parser = argparse.ArgumentParser()
parser.add_argument("llm", metavar="PROVIDER:MODEL")
parser.add_argument("question")
arguments = parser.parse_args()

app = RagApp()
app.index()
agent = create_agent(app.using(llm=arguments.llm).llm, [app.tool()])
messages = agent.invoke({"messages": [("human", arguments.question)]})["messages"]

print(messages[-1].text)
for message in messages:
    if isinstance(message, ToolMessage) and message.artifact:
        answer = message.artifact.answer
        print(f"\nasked: {answer.question}")
        for citation in answer.citations:
            print(f"[{citation.n}] {citation.source}: {citation.quote}")
