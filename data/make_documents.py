"""Write the binary sample documents, the same bytes every time.

Run it after a change with ``python data/make_documents.py``.
"""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from docx import Document
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    Flowable,
    PageBreak,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

DOCUMENTS = Path(__file__).parent / "documents"
WRITTEN = datetime(2026, 1, 15, 12, tzinfo=UTC)

PDF_TITLE = "Geração aumentada por recuperação"
PDF_PAGES = (
    (
        (
            "O que é RAG",
            "A geração aumentada por recuperação, conhecida pela sigla RAG (do inglês "
            "<i>retrieval-augmented generation</i>), responde a uma pergunta em duas etapas. "
            "Primeiro, busca em uma coleção de documentos os trechos que podem conter a resposta. "
            "Depois, entrega esses trechos a um modelo de linguagem junto com a pergunta. O "
            "modelo responde com base no que recebeu, e não apenas no que memorizou durante o "
            "treinamento.",
            "O nome vem do artigo de Patrick Lewis e colegas, publicado em maio de 2020 e "
            "apresentado na conferência NeurIPS do mesmo ano. O sistema original unia um "
            "recuperador denso, o DPR, ao gerador BART-large, de 400 milhões de parâmetros. A "
            "fonte de conhecimento era a Wikipédia em inglês de dezembro de 2018, dividida em 21 "
            "milhões de trechos de 100 palavras.",
        ),
        (
            "Por que usar",
            "Há três motivos principais. Os documentos podem ser atualizados a qualquer momento, "
            "sem treinar o modelo de novo. Cada resposta pode indicar a sua fonte, o que permite "
            "conferi-la. E o sistema pode reconhecer que os documentos não trazem a resposta, em "
            "vez de inventar uma.",
            "Uma janela de contexto longa não substitui a recuperação. Em 2023, Nelson Liu e "
            'colegas mostraram, no artigo "Lost in the Middle", que os modelos aproveitam melhor '
            "a informação que está no começo ou no fim do contexto, e pior a que está no meio.",
        ),
    ),
    (
        (
            "As etapas",
            "O caminho de um documento até a resposta tem seis etapas. As quatro primeiras são "
            "feitas uma vez por documento; as duas últimas, a cada pergunta.",
        ),
        (
            "Divisão em trechos",
            "O tamanho do trecho é a decisão que mais pesa. Trechos longos demais misturam "
            "assuntos e podem passar do limite do modelo de embeddings, que no all-MiniLM-L6-v2 é "
            "de 256 tokens. Trechos curtos demais perdem o contexto. Um bom trecho termina no fim "
            "de uma frase e, quando possível, no fim de um parágrafo ou de uma seção.",
            'O título da seção ajuda a busca: um trecho que diz apenas "o prazo é de 30 dias" só '
            "faz sentido quando se sabe que ele está na seção sobre devoluções.",
        ),
    ),
    (
        (
            "O que pode dar errado",
            "A resposta pode não estar nos documentos. Ela pode estar, mas a busca não a "
            "encontra, porque a pergunta usa outras palavras. O modelo pode ignorar o contexto e "
            "responder de memória. E um documento pode conter instruções dirigidas ao modelo, um "
            "ataque chamado de injeção indireta de prompt; por isso, o texto dos documentos deve "
            "ser tratado como dado, e nunca como comando.",
        ),
        (
            "Busca densa e busca por palavras",
            "O DPR, publicado em 2020 por Vladimir Karpukhin e colegas, superou o BM25 de 9 a 19 "
            "pontos percentuais na acurácia dos 20 primeiros resultados. Mas a vantagem depende "
            "do assunto: o estudo BEIR, de 2021, mediu 18 conjuntos de dados e mostrou que o BM25 "
            "continua difícil de vencer fora do domínio em que o modelo foi treinado. Por isso é "
            "comum usar as duas buscas.",
        ),
    ),
)
PDF_TABLE_AFTER = "As etapas"
PDF_TABLE = (
    ("Etapa", "Entrada", "Saída"),
    ("1. Carregar", "arquivos PDF, HTML ou Markdown", "texto"),
    ("2. Dividir", "texto", "trechos"),
    ("3. Vetorizar", "trechos", "vetores"),
    ("4. Indexar", "vetores e trechos", "índice"),
    ("5. Recuperar", "pergunta", "de 3 a 10 trechos"),
    ("6. Gerar", "pergunta e trechos", "resposta com citações"),
)

DOCX_TITLE = "Evaluating RAG systems"
DOCX_BLOCKS = (
    (
        "Normal",
        "A RAG system has two parts, and each can fail. Retrieval may miss the text that holds "
        "the answer; generation may ignore the text it was given. Both should therefore be "
        "measured, separately and together.",
    ),
    ("Heading 1", "Measuring retrieval"),
    (
        "Normal",
        "Retrieval is measured with questions for which the relevant chunks are known. The usual "
        "metrics are these:",
    ),
    (
        "List Bullet",
        "Recall@k is the share of the relevant chunks that is among the first k results.",
    ),
    (
        "List Bullet",
        "Hit@k is 1 if at least one relevant chunk is among the first k results, else 0.",
    ),
    (
        "List Bullet",
        "MRR, the mean reciprocal rank, averages 1 divided by the rank of the first hit.",
    ),
    (
        "List Bullet",
        "nDCG@k weighs every relevant chunk by its rank, with a logarithmic discount. It was "
        "proposed by Kalervo Järvelin and Jaana Kekäläinen in 2002.",
    ),
    ("Heading 1", "Measuring answers"),
    ("Heading 2", "Faithfulness"),
    (
        "Normal",
        "An answer is faithful if the context supports every statement it makes. A faithful "
        "answer may still be wrong, namely when the document is wrong. Faithfulness is checked "
        "sentence by sentence, against the chunks that the answer cites.",
    ),
    ("Heading 2", "Correctness"),
    (
        "Normal",
        "Correctness compares the answer with a reference answer. Exact match asks for the same "
        "words; the token F1 score gives credit for the words they share. Both were made popular "
        "by SQuAD, published in 2016 by Pranav Rajpurkar and colleagues, with more than 100,000 "
        "questions on paragraphs of 536 Wikipedia articles.",
    ),
    ("Heading 2", "Abstention"),
    (
        "Normal",
        "A system must also know when to decline. SQuAD 2.0, published in 2018, added more than "
        "50,000 questions that can't be answered from their paragraph. A system that always "
        "answers fails all of them.",
    ),
    ("Heading 1", "Language models as judges"),
    (
        "Normal",
        "RAGAS, published by Shahul Es and colleagues in September 2023, uses a language model to "
        "estimate faithfulness, answer relevance and context relevance without reference answers.",
    ),
    (
        "Normal",
        "Judges have biases. In the MT-Bench study of June 2023, Lianmin Zheng and colleagues "
        "found that GPT-4 agreed with human raters in more than 80% of cases, and that it "
        "favoured the answer shown first and longer answers. MT-Bench itself has 80 questions of "
        "two turns each.",
    ),
    ("Heading 1", "Which number for which problem"),
    ("Table", ""),
    ("Heading 1", "A minimal evaluation set"),
    (
        "Normal",
        "Thirty to fifty real questions are enough to begin with. Write down for each the answer "
        "and the place where it stands. About one question in five should have no answer in the "
        "documents. Run the set after every change of model, prompt or chunk size, and also run "
        "it without documents: what the model gets right then, it knew by heart.",
    ),
)
DOCX_TABLE = (
    ("Symptom", "Look at", "Likely cause"),
    ("The right chunk is not found", "Recall@5", "chunk size, embedding model, language"),
    ("It is found, but far down", "MRR, nDCG@10", "no hybrid search or reranking"),
    ("The answer adds facts", "Faithfulness", "prompt, or too many chunks"),
    ("It guesses when it should decline", "Abstention precision", "threshold too low"),
)


def make_pdf() -> bytes:
    """Return the Portuguese sample: several pages, an outline and a table."""
    buffer = io.BytesIO()
    template = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        margins=2 * cm,
        title=PDF_TITLE,
        author="rag-app",
        lang="pt-BR",
        invariant=1,
        pageCompression=0,
    )
    template.build(_pdf_story(), onFirstPage=_page_number, onLaterPages=_page_number)
    return buffer.getvalue()


def _pdf_story() -> list[Flowable]:
    styles = getSampleStyleSheet()
    body = ParagraphStyle("Body", parent=styles["BodyText"], fontSize=11, leading=15)
    story: list[Flowable] = [_Heading(PDF_TITLE, styles["Title"], 0)]
    for number, page in enumerate(PDF_PAGES):
        if number:
            story.append(PageBreak())
        for title, *paragraphs in page:
            story.append(_Heading(title, styles["Heading1"], 1))
            story += [Paragraph(text, body) for text in paragraphs]
            if title == PDF_TABLE_AFTER:
                story += [Spacer(0, 0.4 * cm), _pdf_table(), Spacer(0, 0.4 * cm)]
    return story


class _Heading(Paragraph):
    """A heading that is also a bookmark."""

    def __init__(self, title: str, style: ParagraphStyle, level: int) -> None:
        super().__init__(title, style)
        self.title, self.level = title, level

    def draw(self) -> None:
        self.canv.bookmarkPage(self.title)
        self.canv.addOutlineEntry(self.title, self.title, self.level)
        super().draw()


def _pdf_table() -> Table:
    table = Table(PDF_TABLE, hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
                ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                ("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold"),
            ]
        )
    )
    return table


def _page_number(canvas: Canvas, template: SimpleDocTemplate) -> None:
    canvas.setFont("Helvetica", 9)
    canvas.drawCentredString(A4[0] / 2, cm, str(template.page))


def make_docx() -> bytes:
    """Return the English sample: headings, a list and a table."""
    document = Document()
    properties = document.core_properties
    properties.title, properties.author, properties.language = DOCX_TITLE, "rag-app", "en"
    properties.created = properties.modified = WRITTEN
    document.add_heading(DOCX_TITLE, level=0)
    for style, text in DOCX_BLOCKS:
        if style == "Table":
            table = document.add_table(rows=0, cols=len(DOCX_TABLE[0]), style="Table Grid")
            for row in DOCX_TABLE:
                for cell, value in zip(table.add_row().cells, row, strict=True):
                    cell.text = value
        else:
            document.add_paragraph(text, style=style)
    buffer = io.BytesIO()
    document.save(buffer)
    return _without_times(buffer.getvalue())


def _without_times(archive: bytes) -> bytes:
    """Return a zip archive without the times of its parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name), source.read(name), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def make_documents() -> dict[Path, bytes]:
    """Return the content of each binary sample by its path under the documents folder."""
    return {
        Path("pt/geracao-aumentada-por-recuperacao.pdf"): make_pdf(),
        Path("en/evaluating-rag.docx"): make_docx(),
    }


if __name__ == "__main__":
    for path, content in make_documents().items():
        (DOCUMENTS / path).write_bytes(content)
